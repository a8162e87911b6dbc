package aloft;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The function's handler: `package.Class::method`, or `package.Class` with one of Lambda's interfaces.
 *
 * A method may take the event, the context, both or neither, or streams for input and output. Of several methods with the
 * name, the one with the most parameters is meant, and one that takes the context before one that does not.
 */
final class Handler {
    private final Object instance;
    private final Method method;
    private final Type[] types;

    private Handler(Object instance, Method method, Type[] types) {
        this.instance = instance;
        this.method = method;
        this.types = types;
    }

    /** What finds the function's classes: in the package, in its `lib`, and in the layers' `java/lib`. */
    static ClassLoader loader(String root, String[] layers) throws Exception {
        List<URL> places = new ArrayList<>();
        places.add(new File(root).toURI().toURL());
        addArchives(new File(root, "lib"), places);
        for (String layer : layers) addArchives(new File(layer, "java/lib"), places);
        return new URLClassLoader(places.toArray(new URL[0]), Handler.class.getClassLoader());
    }

    private static void addArchives(File directory, List<URL> places) throws Exception {
        File[] files = directory.listFiles();
        if (files == null) return;
        Arrays.sort(files);
        for (File file : files) {
            URL place = file.toURI().toURL();
            if (file.getName().endsWith(".jar") && !places.contains(place)) places.add(place);
        }
    }

    static Handler load(String text) throws Throwable {
        int colons = text.indexOf("::");
        String name = colons < 0 ? text : text.substring(0, colons);
        String wanted = colons < 0 ? "handleRequest" : text.substring(colons + 2);
        Class<?> type;
        try {
            type = Class.forName(name, true, Thread.currentThread().getContextClassLoader());
        } catch (ClassNotFoundException error) {
            throw new ClassNotFoundException("Class not found: " + name);
        } catch (ExceptionInInitializerError error) {
            throw error.getCause();
        }
        Method best = null;
        for (Method method : type.getMethods()) {
            if (method.getName().equals(wanted) && !method.isBridge() && !method.isSynthetic() && rank(method) > 0) {
                if (best == null || rank(method) > rank(best)) best = method;
            }
        }
        if (best == null) {
            throw new NoSuchMethodException("No public method named " + wanted + " with appropriate method signature found on class " + name);
        }
        try {
            Object instance = Modifier.isStatic(best.getModifiers()) ? null : type.getConstructor().newInstance();
            best.setAccessible(true);
            Type[] types = best.getGenericParameterTypes();
            for (int i = 0; i < types.length; i++) types[i] = Binding.resolve(types[i], type, best.getDeclaringClass());
            return new Handler(instance, best, types);
        } catch (NoSuchMethodException error) {
            throw new NoSuchMethodException("Class " + name + " has no public zero-argument constructor");
        } catch (InvocationTargetException error) {
            throw error.getCause();
        }
    }

    /** How well a method fits; 0 when it does not. */
    private static int rank(Method method) {
        Class<?>[] types = method.getParameterTypes();
        boolean context = types.length > 0 && isContext(types[types.length - 1]);
        int others = types.length - (context ? 1 : 0);
        boolean streams = others == 2 && types[0] == InputStream.class && types[1] == OutputStream.class;
        return others < 2 || streams ? 1 + 2 * types.length + (context ? 1 : 0) : 0;
    }

    private static boolean isContext(Class<?> type) {
        return type.getName().equals("com.amazonaws.services.lambda.runtime.Context");
    }

    /** The answer to an event, as JSON; or as the handler wrote it. */
    byte[] handle(InputStream event, RuntimeApi.Answer request) throws Throwable {
        Class<?>[] raw = method.getParameterTypes();
        Object[] arguments = new Object[raw.length];
        ByteArrayOutputStream written = null;
        for (int i = 0; i < raw.length; i++) {
            if (i == raw.length - 1 && isContext(raw[i])) {
                arguments[i] = LambdaContext.of(raw[i], request);
            } else if (raw[i] == InputStream.class) {
                arguments[i] = event;
            } else if (raw[i] == OutputStream.class) {
                arguments[i] = written = new ByteArrayOutputStream();
            } else {
                arguments[i] = parse(request.body, types[i]);
            }
        }
        Object result;
        try {
            result = method.invoke(instance, arguments);
        } catch (InvocationTargetException error) {
            throw error.getCause();
        }
        if (written != null) return written.toByteArray();
        if (method.getReturnType() == void.class) return "null".getBytes(StandardCharsets.UTF_8);
        StringBuilder text = new StringBuilder();
        Json.write(result, text);
        return text.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static Object parse(byte[] body, Type type) {
        String text = new String(body, StandardCharsets.UTF_8);
        try {
            return Binding.convert(Json.parse(text), type);
        } catch (RuntimeException error) {
            throw new RuntimeException("An error occurred during JSON parsing", error);
        }
    }
}
