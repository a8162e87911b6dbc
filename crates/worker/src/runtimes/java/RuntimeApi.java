package aloft;

import java.io.EOFException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/**
 * One connection to the Runtime API that is kept: Java's own HTTP clients cost more than most invocations.
 *
 * A channel, since `java.net.Socket` loads so much that starting takes a third longer.
 */
final class RuntimeApi {
    /** What came back. */
    static final class Answer {
        int status;
        final Map<String, String> headers = new HashMap<>();
        byte[] body;

        String header(String name) {
            return headers.get(name);
        }
    }

    private final String host;
    private final SocketChannel channel;
    private byte[] buffer = new byte[16 * 1024];
    private int start, end;

    RuntimeApi(String address) throws IOException {
        host = address;
        int colon = address.lastIndexOf(':');
        channel = SocketChannel.open(new InetSocketAddress(address.substring(0, colon), Integer.parseInt(address.substring(colon + 1))));
        channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
    }

    private void write(byte[] bytes) throws IOException {
        ByteBuffer left = ByteBuffer.wrap(bytes);
        while (left.hasRemaining()) channel.write(left);
    }

    /** The next event. The process ends when there is nobody left to work for. */
    Answer next() throws IOException {
        send("GET", "invocation/next", null, null);
        Answer answer = receive();
        if (answer.status != 200) System.exit(1);
        return answer;
    }

    void post(String action, byte[] body, String errorType) throws IOException {
        send("POST", action, body, errorType);
        receive();
    }

    private void send(String method, String action, byte[] body, String errorType) throws IOException {
        StringBuilder head = new StringBuilder(256);
        head.append(method).append(" /2018-06-01/runtime/").append(action).append(" HTTP/1.1\r\nHost: ").append(host).append("\r\n");
        if (errorType != null) head.append("Lambda-Runtime-Function-Error-Type: ").append(errorType.replaceAll("[^ -~]", "?")).append("\r\n");
        if (body != null) head.append("Content-Type: application/json\r\nContent-Length: ").append(body.length).append("\r\n");
        byte[] bytes = head.append("\r\n").toString().getBytes(StandardCharsets.US_ASCII);
        if (body == null || body.length > 1 << 20) {
            write(bytes);
            if (body != null) write(body);
        } else {
            byte[] whole = new byte[bytes.length + body.length];
            System.arraycopy(bytes, 0, whole, 0, bytes.length);
            System.arraycopy(body, 0, whole, bytes.length, body.length);
            write(whole);
        }
    }

    private Answer receive() throws IOException {
        Answer answer = new Answer();
        String line = line();
        answer.status = Integer.parseInt(line.split(" ")[1]);
        while (!(line = line()).isEmpty()) {
            int colon = line.indexOf(':');
            answer.headers.put(line.substring(0, colon).toLowerCase(), line.substring(colon + 1).trim());
        }
        String length = answer.header("content-length");
        answer.body = new byte[length == null ? 0 : Integer.parseInt(length)];
        int done = Math.min(answer.body.length, end - start);
        System.arraycopy(buffer, start, answer.body, 0, done);
        start += done;
        while (done < answer.body.length) {
            int read = channel.read(ByteBuffer.wrap(answer.body, done, Math.min(answer.body.length - done, 1 << 20)));
            if (read < 0) throw new EOFException();
            done += read;
        }
        return answer;
    }

    /** A line of a head, without its end. */
    private String line() throws IOException {
        for (int i = start; ; i++) {
            if (i == end) {
                int kept = end - start;
                byte[] next = kept > buffer.length / 2 ? new byte[buffer.length * 2] : buffer;
                System.arraycopy(buffer, start, next, 0, kept);
                buffer = next;
                start = 0;
                int read = channel.read(ByteBuffer.wrap(buffer, kept, buffer.length - kept));
                if (read < 0) System.exit(1);
                end = kept + read;
                i = kept;
            }
            if (buffer[i] == '\n') {
                String line = new String(buffer, start, i - start, StandardCharsets.UTF_8);
                start = i + 1;
                return line.endsWith("\r") ? line.substring(0, line.length() - 1) : line;
            }
        }
    }
}
