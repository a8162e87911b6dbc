"""Python in an execution environment: loads the handler, asks the cloud for events, answers them.

It speaks over the channel: HTTP costs several times what an invocation costs otherwise. Whatever it shows to the function (context, errors, log lines) has the shape that Lambda gives it.
"""

import sys

# The code's directory is read-only by convention: nothing compiled is left in it.
sys.dont_write_bytecode = True

import _socket  # What `socket` is made of; that one takes as long to import as all of this takes to run.
import _struct
import importlib
import json
import logging
import os
import time

ASK, RESPONSE, ERROR, LAST_ERROR = range(4)
# Its kind, a zero, the lengths of its head and of its body.
FRONT = "<BBHI"
FRONT_SIZE = 8


class Channel:
    """One connection to the cloud: a message there, a message back."""

    def __init__(self, address):
        # One for what it says, one for what it hears.
        self.says = self.connect(address)
        self.hears = self.connect(address)

    @staticmethod
    def connect(address):
        if address.startswith("@"):
            socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
            socket.connect("\0" + address[1:])
        else:
            host, port = address.rsplit(":", 1)
            socket = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
            socket.connect((host, int(port)))
            socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        return socket

    def send(self, kind, head=b"", body=b""):
        data = memoryview(_struct.pack(FRONT, kind, 0, len(head), len(body)) + head + body)
        while data:
            data = data[self.says.send(data) :]

    def receive(self):
        """The next message: its head and its body."""
        data = self.read(65536)
        while len(data) < FRONT_SIZE:
            data += self.read(65536)
        _, _, head, body = _struct.unpack_from(FRONT, data)
        total = FRONT_SIZE + head + body
        if len(data) < total:
            parts = [data]
            missing = total - len(data)
            while missing > 0:
                parts.append(self.read(min(missing, 1 << 20)))
                missing -= len(parts[-1])
            data = b"".join(parts)
        return data[FRONT_SIZE : FRONT_SIZE + head], data[FRONT_SIZE + head :]

    def read(self, size):
        data = self.hears.recv(size)
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


def plain_type(answer):
    """The type of an error as a head takes it."""
    return answer["errorType"][:1024].encode("ascii", "replace").replace(b"\n", b" ").replace(b"\r", b" ")


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


def parse_line(line):
    try:
        return json.loads(line or b"null")
    except ValueError:
        return None


class LambdaContext:
    """The second argument of a handler."""

    def __init__(self, request_id, deadline, arn, client_context, identity):
        self.aws_request_id = request_id
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = arn.decode()
        self.tenant_id = None
        self._epoch_deadline_time_in_ms = int(deadline)

        self.client_context = None
        client_context = parse_line(client_context)
        if isinstance(client_context, dict):
            self.client_context = ClientContext()
            self.client_context.custom = client_context.get("custom")
            self.client_context.env = client_context.get("env")
            self.client_context.client = None
            if isinstance(client_context.get("client"), dict):
                self.client_context.client = Client()
                for name in Client.__slots__:
                    setattr(self.client_context.client, name, client_context["client"].get(name))

        identity = parse_line(identity)
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
    channel = Channel(os.environ.pop("ALOFT_CHANNEL"))
    set_up_logging(plain)
    # `-c` puts the working directory first; the package takes that place, as on Lambda.
    sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]
    try:
        handler = load_handler(os.environ["_HANDLER"])
    except Exception as error:
        answer = describe(error, "")
        log_error(error, answer, plain)
        channel.send(LAST_ERROR, plain_type(answer), json.dumps(answer).encode())
        channel.receive()
        sys.exit(1)

    message = (ASK,)
    while True:
        sys.stdout.flush()
        channel.send(*message)
        head, body = channel.receive()
        request_id, deadline, arn, trace, client_context, identity = head.split(b"\n")[:6]
        request_id = request_id.decode()
        RequestFilter.request_id = request_id
        if trace:
            os.environ["_X_AMZN_TRACE_ID"] = trace.decode()
        else:
            os.environ.pop("_X_AMZN_TRACE_ID", None)
        try:
            try:
                event = json.loads(body)
            except ValueError as error:
                raise Fault("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % error) from error
            context = LambdaContext(request_id, deadline, arn, client_context, identity)
            message = (RESPONSE, b"", encode(handler(event, context)))
        except Exception as error:
            answer = describe(error, request_id)
            log_error(error, answer, plain)
            message = (ERROR, plain_type(answer), json.dumps(answer).encode())
