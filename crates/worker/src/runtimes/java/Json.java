package aloft;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON as text: to and from maps, lists, strings, numbers, booleans and null. Other objects are left to `Binding`. */
final class Json {
    private static final int DEPTH = 1000;

    private final String text;
    private int at;
    private int depth;

    private Json(String text) {
        this.text = text;
    }

    static Object parse(String text) {
        Json json = new Json(text);
        Object value = json.value();
        json.space();
        if (json.at < text.length()) throw json.wrong();
        return value;
    }

    private IllegalArgumentException wrong() {
        return new IllegalArgumentException(at < text.length() ? "Unexpected character '" + text.charAt(at) + "' at " + at : "Unexpected end of JSON");
    }

    private void space() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
    }

    private char next() {
        space();
        if (at >= text.length()) throw wrong();
        return text.charAt(at);
    }

    private void expect(char wanted) {
        if (next() != wanted) throw wrong();
        at++;
    }

    private Object value() {
        switch (next()) {
            case '{': return object();
            case '[': return array();
            case '"': return string();
            case 't': return word("true", Boolean.TRUE);
            case 'f': return word("false", Boolean.FALSE);
            case 'n': return word("null", null);
            default: return number();
        }
    }

    private Object word(String word, Object value) {
        if (!text.startsWith(word, at)) throw wrong();
        at += word.length();
        return value;
    }

    private Map<String, Object> object() {
        Map<String, Object> map = new LinkedHashMap<>();
        enter();
        if (next() == '}') at++;
        else {
            do {
                next();
                String name = string();
                expect(':');
                map.put(name, value());
            } while (goesOn('}'));
        }
        depth--;
        return map;
    }

    private List<Object> array() {
        List<Object> list = new ArrayList<>();
        enter();
        if (next() == ']') at++;
        else do list.add(value()); while (goesOn(']'));
        depth--;
        return list;
    }

    private void enter() {
        at++;
        if (++depth > DEPTH) throw new IllegalArgumentException("JSON is nested too deeply");
    }

    private boolean goesOn(char end) {
        char sign = next();
        if (sign != ',' && sign != end) throw wrong();
        at++;
        return sign == ',';
    }

    private String string() {
        if (text.charAt(at) != '"') throw wrong();
        int start = ++at;
        int end = text.indexOf('"', start);
        if (end >= 0 && text.substring(start, end).indexOf('\\') < 0) {
            at = end + 1;
            return text.substring(start, end);
        }
        StringBuilder builder = new StringBuilder();
        while (true) {
            if (at >= text.length()) throw wrong();
            char sign = text.charAt(at++);
            if (sign == '"') return builder.toString();
            if (sign != '\\') {
                builder.append(sign);
                continue;
            }
            if (at >= text.length()) throw wrong();
            char escaped = text.charAt(at++);
            int plain = "\"\\/bfnrt".indexOf(escaped);
            if (plain >= 0) {
                builder.append("\"\\/\b\f\n\r\t".charAt(plain));
            } else if (escaped == 'u' && at + 4 <= text.length()) {
                builder.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
                at += 4;
            } else {
                at--;
                throw wrong();
            }
        }
    }

    private Object number() {
        int start = at;
        while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) at++;
        String number = text.substring(start, at);
        try {
            if (number.matches("-?[0-9]+")) {
                BigInteger whole = new BigInteger(number);
                if (whole.bitLength() < 32) return whole.intValue();
                return whole.bitLength() < 64 ? (Object) whole.longValue() : whole;
            }
            if (!number.isEmpty()) return Double.valueOf(number);
        } catch (NumberFormatException ignored) {
            // It is told below.
        }
        at = start;
        throw wrong();
    }

    /** Writes any value. */
    static void write(Object value, StringBuilder out) {
        if (value == null || value instanceof Boolean || isFinite(value)) {
            out.append(value);
        } else if (value instanceof CharSequence || value instanceof Character || value instanceof Number) {
            quote(value.toString(), out);
        } else if (value instanceof Map) {
            out.append('{');
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                if (out.charAt(out.length() - 1) != '{') out.append(',');
                quote(String.valueOf(entry.getKey()), out);
                out.append(':');
                write(entry.getValue(), out);
            }
            out.append('}');
        } else if (value instanceof Iterable) {
            out.append('[');
            for (Object item : (Iterable<?>) value) {
                if (out.charAt(out.length() - 1) != '[') out.append(',');
                write(item, out);
            }
            out.append(']');
        } else {
            write(Binding.simplify(value), out);
        }
    }

    /** Whether it is a number that JSON has a form for. */
    private static boolean isFinite(Object value) {
        if (value instanceof Double || value instanceof Float) {
            double number = ((Number) value).doubleValue();
            return !Double.isNaN(number) && !Double.isInfinite(number);
        }
        return value instanceof Number && (value.getClass().getName().startsWith("java.lang.") || value.getClass().getName().startsWith("java.math."));
    }

    private static void quote(String text, StringBuilder out) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char sign = text.charAt(i);
            int plain = "\"\\\b\f\n\r\t".indexOf(sign);
            if (plain >= 0) out.append('\\').append("\"\\bfnrt".charAt(plain));
            else if (sign < ' ') out.append(String.format("\\u%04x", (int) sign));
            else out.append(sign);
        }
        out.append('"');
    }
}
