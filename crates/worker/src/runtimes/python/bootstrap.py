"""Python in an execution environment: loads the handler, asks the Runtime API for events, answers them.

It speaks HTTP over one plain socket, since Python's own HTTP client costs several times what an invocation costs
otherwise. Whatever it shows to the function (context, errors, log lines) has the shape that Lambda gives it.
"""

import sys

# The code's directory is read-only by convention: nothing compiled is left in it.
sys.dont_write_bytecode = True

import _socket  # What `socket` is made of; that one takes as long to import as all of this takes to run.
import importlib
import json
import logging
import os
import time

NO_DELAY = (_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)


class RuntimeApi:
    """One keep-alive connection to the Runtime API."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.host = address.encode()
        self.socket = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self.socket.connect((host, int(port)))
        self.socket.setsockopt(*NO_DELAY)
        self.buffer = b""

    def request(self, method, action, body=None, error_type=None):
        """The bytes of a request."""
        head = b"%s /2018-06-01/runtime/%s HTTP/1.1\r\nHost: %s\r\n" % (method, action, self.host)
        if error_type is not None:
            plain = error_type.encode("ascii", "replace").replace(b"\n", b" ").replace(b"\r", b" ")
            head += b"Lambda-Runtime-Function-Error-Type: %s\r\n" % plain
        if body is None:
            return head + b"\r\n"
        return head + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    def send(self, data):
        view = memoryview(data)
        while view:
            view = view[self.socket.send(view) :]

    def receive(self):
        """The next answer: its status, its headers in lower case, its body."""
        while True:
            end = self.buffer.find(b"\r\n\r\n")
            if end >= 0:
                break
            self.fill(65536)
        status, *lines = self.buffer[:end].split(b"\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        total = end + 4 + int(headers.get(b"content-length", b"0"))
        if len(self.buffer) < total:
            parts = [self.buffer]
            missing = total - len(self.buffer)
            while missing > 0:
                data = self.read(min(missing, 1 << 20))
                parts.append(data)
                missing -= len(data)
            self.buffer = b"".join(parts)
        body, self.buffer = self.buffer[end + 4 : total], self.buffer[total:]
        return int(status.split(b" ")[1]), headers, body

    def fill(self, size):
        self.buffer += self.read(size)

    def read(self, size):
        data = self.socket.recv(size)
        if not data:
            # Nobody is left to work for.
            os._exit(1)
        return data


# --- Logs ------------------------------------------------------------------------------------------------------


def write_log(text):
    """Writes one log event. Line ends within it travel as carriage returns, so that it stays one event."""
    data = text.rstrip("\n").replace("\r\n", "\n").replace("\n", "\r").encode("utf-8", "replace") + b"\n"
    sys.stdout.flush()
    while data:
        data = data[os.write(1, data) :]


class LogHandler(logging.Handler):
    """What the root logger writes with, unless the function puts something else in its place."""

    def emit(self, record):
        try:
            write_log(self.format(record))
        except Exception:
            self.handleError(record)


class RequestFilter(logging.Filter):
    """Gives every record the current request id."""

    request_id = None

    def filter(self, record):
        record.aws_request_id = RequestFilter.request_id or ""
        return True


def set_up_logging(plain):
    handler = LogHandler()
    if plain:
        handler.setFormatter(logging.Formatter("%(message)s"))
    else:
        formatter = logging.Formatter(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n", "%Y-%m-%dT%H:%M:%S"
        )
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
    handler.addFilter(RequestFilter())
    logging.getLogger().addHandler(handler)


# --- Errors ----------------------------------------------------------------------------------------------------


class Fault(Exception):
    """An error of loading, with the name that Lambda has for it."""

    def __init__(self, kind, message, trace=()):
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.trace = list(trace)


def describe(error, request_id):
    """An exception as Lambda answers it. The frames of this file are left out."""
    import traceback

    if isinstance(error, Fault):
        return {
            "errorMessage": error.message,
            "errorType": error.kind,
            "requestId": request_id,
            "stackTrace": error.trace,
        }
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == __file__ or frame.filename.startswith("<frozen importlib")]
    frames = [frame for frame in frames if frame not in own]
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "requestId": request_id,
        "stackTrace": traceback.format_list(frames),
    }


def log_error(error, answer, plain):
    if plain:
        return
    lines = ["[ERROR] %s: %s" % (answer["errorType"], answer["errorMessage"])]
    if answer["stackTrace"]:
        lines.append("Traceback (most recent call last):")
        lines.extend(entry.rstrip("\n") for entry in answer["stackTrace"])
    write_log("\n".join(lines))


def encode(value):
    from decimal import Decimal

    def default(unknown):
        if isinstance(unknown, Decimal):
            return float(unknown)
        raise TypeError("Object of type %s is not JSON serializable" % type(unknown).__name__)

    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=default).encode()
    except Exception as error:
        raise Fault("Runtime.MarshalError", "Unable to marshal response: %s" % error) from error


# --- The handler -------------------------------------------------------------------------------------------------


def load_handler(text):
    """`src/orders.create` is the function `create` of the module `src.orders`."""
    try:
        module_name, function_name = text.rsplit(".", 1)
    except ValueError as error:
        raise Fault("Runtime.MalformedHandlerName", "Bad handler '%s': %s" % (text, error)) from error
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", "Cannot use built-in module %s as a handler module" % module_name)
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module_name, error)) from error
    except SyntaxError as error:
        place = '  File "%s" Line %s\n    %s' % (error.filename, error.lineno, (error.text or "").rstrip("\n"))
        message = "Syntax error in module '%s': %s" % (module_name, error)
        raise Fault("Runtime.UserCodeSyntaxError", message, [place]) from error
    try:
        return getattr(module, function_name)
    except AttributeError as error:
        message = "Handler '%s' missing on module '%s'" % (function_name, module_name)
        raise Fault("Runtime.HandlerNotFound", message) from error


# --- Invocations -------------------------------------------------------------------------------------------------


class CognitoIdentity:
    __slots__ = ["cognito_identity_id", "cognito_identity_pool_id"]


class Client:
    __slots__ = ["installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"]


class ClientContext:
    __slots__ = ["custom", "env", "client"]


def parse_header(headers, name):
    try:
        return json.loads(headers.get(name) or b"null")
    except ValueError:
        return None


class LambdaContext:
    """The second argument of a handler."""

    def __init__(self, headers):
        self.aws_request_id = headers[b"lambda-runtime-aws-request-id"].decode()
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers.get(b"lambda-runtime-invoked-function-arn", b"").decode()
        self.tenant_id = None
        self._epoch_deadline_time_in_ms = int(headers.get(b"lambda-runtime-deadline-ms", b"0"))

        self.client_context = None
        client_context = parse_header(headers, b"lambda-runtime-client-context")
        if isinstance(client_context, dict):
            self.client_context = ClientContext()
            self.client_context.custom = client_context.get("custom")
            self.client_context.env = client_context.get("env")
            self.client_context.client = None
            if isinstance(client_context.get("client"), dict):
                self.client_context.client = Client()
                for name in Client.__slots__:
                    setattr(self.client_context.client, name, client_context["client"].get(name))

        identity = parse_header(headers, b"lambda-runtime-cognito-identity")
        if not isinstance(identity, dict):
            identity = {}
        self.identity = CognitoIdentity()
        self.identity.cognito_identity_id = identity.get("cognitoIdentityId")
        self.identity.cognito_identity_pool_id = identity.get("cognitoIdentityPoolId")

    def get_remaining_time_in_millis(self):
        return max(self._epoch_deadline_time_in_ms - int(time.time() * 1000), 0)

    def log(self, message):
        sys.stdout.write(str(message))

    def __repr__(self):
        names = [
            "aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb",
            "function_version", "invoked_function_arn", "client_context", "identity", "tenant_id",
        ]
        return "LambdaContext([%s])" % ",".join("%s=%s" % (name, getattr(self, name)) for name in names)


def main():
    plain = os.environ.pop("ALOFT_PLAIN_LOGS", None) == "1"
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    set_up_logging(plain)
    # `-c` puts the working directory first; the package takes that place, as on Lambda.
    sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]
    try:
        handler = load_handler(os.environ["_HANDLER"])
    except Exception as error:
        answer = describe(error, "")
        log_error(error, answer, plain)
        api.send(api.request(b"POST", b"init/error", json.dumps(answer).encode(), answer["errorType"]))
        api.receive()
        sys.exit(1)

    ask = api.request(b"GET", b"invocation/next")
    api.send(ask)
    while True:
        status, headers, body = api.receive()
        if status != 200:
            sys.exit(1)
        request_id = headers[b"lambda-runtime-aws-request-id"].decode()
        RequestFilter.request_id = request_id
        if b"lambda-runtime-trace-id" in headers:
            os.environ["_X_AMZN_TRACE_ID"] = headers[b"lambda-runtime-trace-id"].decode()
        else:
            os.environ.pop("_X_AMZN_TRACE_ID", None)
        action = b"invocation/%s/" % request_id.encode()
        try:
            try:
                event = json.loads(body)
            except ValueError as error:
                raise Fault("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % error) from error
            result = encode(handler(event, LambdaContext(headers)))
            # The answer and the question for the next event in one.
            answer = api.request(b"POST", action + b"response/next", result)
        except Exception as error:
            details = describe(error, request_id)
            log_error(error, details, plain)
            failed = api.request(b"POST", action + b"error", json.dumps(details).encode(), details["errorType"])
            sys.stdout.flush()
            api.send(failed)
            api.receive()
            answer = ask
        sys.stdout.flush()
        api.send(answer)
