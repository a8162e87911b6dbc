package aloft;

import java.io.ByteArrayInputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Java in an execution environment: loads the handler, asks the Runtime API for events, answers them.
 *
 * Its arguments are the directories of the layers. It is compiled on the machine where it runs, for whatever JDK is there,
 * so it keeps to Java 8. The function's own classes are loaded apart from it; nothing of it needs a library.
 */
public final class Bootstrap {
    private static final FileOutputStream OUTPUT = new FileOutputStream(FileDescriptor.out);

    private Bootstrap() {}

    public static void main(String[] layers) throws Exception {
        // Whatever the machine's locale is, the log is UTF-8.
        PrintStream out = new PrintStream(OUTPUT, true, "UTF-8");
        System.setOut(out);
        System.setErr(out);
        RuntimeApi api = new RuntimeApi(System.getenv("AWS_LAMBDA_RUNTIME_API"));
        Handler handler;
        try {
            Thread.currentThread().setContextClassLoader(Handler.loader(System.getenv("LAMBDA_TASK_ROOT"), layers));
            handler = Handler.load(System.getenv("_HANDLER"));
        } catch (Throwable error) {
            report(error);
            api.post("init/error", failure(error), error.getClass().getName());
            System.exit(1);
            return;
        }
        while (true) {
            RuntimeApi.Answer event = api.next();
            String action = "invocation/" + event.header("lambda-runtime-aws-request-id") + "/";
            String trace = event.header("lambda-runtime-trace-id");
            if (trace == null) {
                System.clearProperty("com.amazonaws.xray.traceHeader");
            } else {
                System.setProperty("com.amazonaws.xray.traceHeader", trace);
            }
            try {
                byte[] answer = handler.handle(new ByteArrayInputStream(event.body), event);
                out.flush();
                api.post(action + "response", answer, null);
            } catch (Throwable error) {
                report(error);
                api.post(action + "error", failure(error), error.getClass().getName());
                // Nothing can be trusted after one of these.
                if (error instanceof VirtualMachineError) System.exit(1);
            }
        }
    }

    /** One event of the log. Line ends within it travel as carriage returns, so that it stays one event. */
    static synchronized void log(byte[] text) {
        try {
            OUTPUT.write(text);
        } catch (java.io.IOException ignored) {
            // There is nowhere to say it.
        }
    }

    static void log(String text) {
        String line = text.endsWith("\n") ? text.substring(0, text.length() - 1) : text;
        log((line.replace("\r\n", "\n").replace('\n', '\r') + "\n").getBytes(StandardCharsets.UTF_8));
    }

    private static void report(Throwable error) {
        if ("1".equals(System.getenv("ALOFT_PLAIN_LOGS"))) return;
        trim(error, 0);
        StringWriter text = new StringWriter();
        error.printStackTrace(new PrintWriter(text, true));
        log(error.getMessage() + ": " + error.getClass().getName() + "\n" + text);
    }

    private static byte[] failure(Throwable error) {
        trim(error, 0);
        StringBuilder text = new StringBuilder();
        Json.write(describe(error, 0), text);
        return text.toString().getBytes(StandardCharsets.UTF_8);
    }

    /** An error as Lambda answers it. */
    private static Map<String, Object> describe(Throwable error, int depth) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("errorMessage", error.getMessage());
        map.put("errorType", error.getClass().getName());
        List<Object> frames = new ArrayList<>();
        for (StackTraceElement frame : error.getStackTrace()) frames.add(frame.toString());
        map.put("stackTrace", frames);
        if (error.getCause() != null && depth < 10) map.put("cause", describe(error.getCause(), depth + 1));
        return map;
    }

    /** Leaves out the frames between this class and the function. */
    private static void trim(Throwable error, int depth) {
        StackTraceElement[] frames = error.getStackTrace();
        int end = frames.length;
        for (int i = 0; i < end; i++) {
            if (frames[i].getClassName().startsWith("aloft.")) end = i;
        }
        while (end > 0 && frames[end - 1].getClassName().matches("(java|jdk\\.internal|sun)\\.(lang\\.)?reflect\\..*")) end--;
        StackTraceElement[] kept = new StackTraceElement[end];
        System.arraycopy(frames, 0, kept, 0, end);
        error.setStackTrace(kept);
        if (error.getCause() != null && depth < 10) trim(error.getCause(), depth + 1);
    }
}
