package aloft;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.Map;

/**
 * The context of an invocation, with the interfaces of the function's own copy of `aws-lambda-java-core`.
 *
 * Those interfaces are not known when this is compiled, so it answers for them by their methods' names.
 */
final class LambdaContext implements InvocationHandler {
    private final RuntimeApi.Answer request;

    private LambdaContext(RuntimeApi.Answer request) {
        this.request = request;
    }

    static Object of(Class<?> type, RuntimeApi.Answer request) {
        return proxy(type, new LambdaContext(request));
    }

    private static Object proxy(Class<?> type, InvocationHandler handler) {
        return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler);
    }

    @Override
    public Object invoke(Object self, Method method, Object[] arguments) {
        switch (method.getName()) {
            case "getAwsRequestId": return request.header("lambda-runtime-aws-request-id");
            case "getLogGroupName": return System.getenv("AWS_LAMBDA_LOG_GROUP_NAME");
            case "getLogStreamName": return System.getenv("AWS_LAMBDA_LOG_STREAM_NAME");
            case "getFunctionName": return System.getenv("AWS_LAMBDA_FUNCTION_NAME");
            case "getFunctionVersion": return System.getenv("AWS_LAMBDA_FUNCTION_VERSION");
            case "getInvokedFunctionArn": return request.header("lambda-runtime-invoked-function-arn");
            case "getMemoryLimitInMB": return Integer.valueOf(System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"));
            case "getRemainingTimeInMillis": {
                long left = Long.parseLong(request.header("lambda-runtime-deadline-ms")) - System.currentTimeMillis();
                return (int) Math.max(left, 0);
            }
            case "getLogger": return proxy(method.getReturnType(), LambdaContext::log);
            case "getIdentity": return proxy(method.getReturnType(), fields("lambda-runtime-cognito-identity"));
            case "getClientContext": {
                Map<?, ?> client = map(request.header("lambda-runtime-client-context"));
                return client == null ? null : proxy(method.getReturnType(), (it, asked, none) -> client(it, asked, none, client));
            }
            default: return common(self, method, arguments);
        }
    }

    /** What `LambdaLogger` does: text as one event, bytes as they are. A level in front of them is left to the text. */
    private static Object log(Object self, Method method, Object[] arguments) {
        if (!method.getName().equals("log")) return common(self, method, arguments);
        Object first = arguments[0];
        if (first instanceof byte[]) Bootstrap.log((byte[]) first);
        else Bootstrap.log(String.valueOf(first));
        return null;
    }

    private static Object client(Object self, Method method, Object[] arguments, Map<?, ?> context) {
        switch (method.getName()) {
            case "getClient": {
                Map<?, ?> client = context.get("client") instanceof Map ? (Map<?, ?>) context.get("client") : Collections.emptyMap();
                return proxy(method.getReturnType(), (it, asked, none) -> field(it, asked, none, client));
            }
            case "getCustom": return context.get("custom") == null ? Collections.emptyMap() : context.get("custom");
            case "getEnvironment": return context.get("env") == null ? Collections.emptyMap() : context.get("env");
            default: return common(self, method, arguments);
        }
    }

    private InvocationHandler fields(String header) {
        Map<?, ?> map = map(request.header(header));
        return (self, method, arguments) -> field(self, method, arguments, map == null ? Collections.emptyMap() : map);
    }

    /** `getAppTitle` is `appTitle` or `app_title`; `getIdentityId` is `cognitoIdentityId`. */
    private static Object field(Object self, Method method, Object[] arguments, Map<?, ?> map) {
        if (!method.getName().startsWith("get") || method.getParameterCount() > 0) return common(self, method, arguments);
        String name = method.getName().substring(3);
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            String key = entry.getKey().toString().replace("_", "");
            if (key.equalsIgnoreCase(name) || key.equalsIgnoreCase("cognito" + name)) return entry.getValue();
        }
        return null;
    }

    private static Object common(Object self, Method method, Object[] arguments) {
        switch (method.getName()) {
            case "equals": return self == arguments[0];
            case "hashCode": return System.identityHashCode(self);
            case "toString": return method.getDeclaringClass().getSimpleName() + "@" + Integer.toHexString(System.identityHashCode(self));
            // Whatever a later version of the interfaces has.
            default: return null;
        }
    }

    private static Map<?, ?> map(String header) {
        if (header == null) return null;
        // Headers are Latin letters for whoever reads them as such; these are UTF-8 already.
        Object value = Json.parse(new String(header.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8));
        return value instanceof Map ? (Map<?, ?>) value : null;
    }
}
