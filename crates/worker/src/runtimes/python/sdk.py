"""The SDK that the runtime brings along, imported before a function asks for it.

What takes longest when a function makes its first client is not its own: the SDK reads what it knows of a service, looks
at what files there are, and looks through its own code. All of that comes to the same each time, so it is done while
nobody waits. What can be changed is handed to whoever asks first; who asks again gets it as in a fresh start. Nothing
that the environment tells is read before there is one.
"""

import functools
import os
import sys

# As Lambda has it: the libraries of a function go before these.
PACKAGES = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")
DIRECTORY = "/opt/python"

# Where it seems to be, so that nothing is looked for and nobody answers.
NOWHERE = {"endpoint_url": "http://127.0.0.1:9", "region_name": "us-east-1"}
NOBODY = {"aws_access_key_id": "-", "aws_secret_access_key": "-"}


def prepare(wanted):
    """Imports the SDK and makes it ready for `wanted`, such as `client:s3,resource:dynamodb`. Gives what it looked like."""
    sys.path.insert(1, DIRECTORY)
    try:
        import boto3
        import botocore.auth, botocore.client, botocore.endpoint, botocore.httpsession, botocore.parsers
        import botocore.regions, botocore.session, botocore.signers, botocore.waiter
    except ImportError:
        return None
    finally:
        sys.path.remove(DIRECTORY)
    try:
        remember_answers()
        for it in services(wanted):
            remember_files(lambda: rehearse(boto3, *it))
    except Exception:
        # Another version, which is made in another way, or a service that it does not know: it takes what it takes.
        pass
    return state()


def state():
    """What the packages are. A layer with a package of the same name makes another one of it, and of its directory."""
    found = {}
    for name in PACKAGES:
        for path in (f"{DIRECTORY}/{name}", f"{DIRECTORY}/{name}/__init__.py", f"{DIRECTORY}/{name}.py"):
            try:
                seen = os.stat(path)
                found[path] = (seen.st_mtime_ns, seen.st_size)
            except OSError:
                pass
    return found


def told():
    """Now there is an environment: what was read from it when the SDK was imported is read again."""
    loaders = sys.modules.get("botocore.loaders")
    if loaders is not None:
        loaders.Loader.CUSTOMER_DATA_PATH = os.path.join(os.path.expanduser("~"), ".aws", "models")


def services(wanted):
    """`client:s3` is the client of S3."""
    return [it.split(":", 1) for it in wanted.split(",") if it]


def make(wanted):
    """Makes it as a function would."""
    import boto3

    for it in services(wanted):
        rehearse(boto3, *it)


def rehearse(boto3, kind, service):
    getattr(boto3.Session(**NOBODY), kind)(service, **NOWHERE)


def remember_answers():
    """Questions whose answers do not change: what a handler takes, how an event is called, which services there are."""
    from botocore import endpoint_provider, hooks, loaders

    hooks.accepts_kwargs = functools.lru_cache(maxsize=1024)(hooks.accepts_kwargs)

    names = {}
    alias = hooks.EventAliaser._alias_event_name

    def alias_event_name(self, event_name):
        if self._event_aliases is not hooks.EVENT_ALIASES or len(names) > 4096:
            return alias(self, event_name)
        if event_name not in names:
            names[event_name] = alias(self, event_name)
        return names[event_name]

    hooks.EventAliaser._alias_event_name = alias_event_name

    services = {}
    look = loaders.Loader.list_available_services

    def list_available_services(self, type_name):
        # Only the SDK's own directories stay as they are.
        places = tuple(path for path in self.search_paths if os.path.isdir(path))
        if not all(path.startswith(DIRECTORY + "/") for path in places):
            return look(self, type_name)
        if (places, type_name) not in services:
            services[places, type_name] = look(self, type_name)
        return list(services[places, type_name])

    loaders.Loader.list_available_services = list_available_services


    begin = endpoint_provider.RuleSet.__init__

    def __init__(self, *values, rules=(), **others):
        known, made = rule_sets.pop(id(rules), (None, None))
        begin(self, *values, rules=rules if known is None else [], **others)
        if known is rules:
            self.rules = made

    endpoint_provider.RuleSet.__init__ = __init__


files = {}
# What is made of rules that are in `files`, by the identity of these.
rule_sets = {}


def remember_files(use):
    """Reads the SDK's files that `use` reads, once more."""
    from botocore.endpoint_provider import RuleCreator
    from botocore.loaders import JSONFileLoader

    load = JSONFileLoader.load_file
    if not hasattr(load, "plain"):

        def load_file(self, file_path):
            ready = files.pop(file_path, None)
            return load_file.plain(self, file_path) if ready is None else ready

        load_file.plain = load
        load = JSONFileLoader.load_file = load_file
    used = []

    def note(self, file_path):
        used.append(file_path)
        return load(self, file_path)

    JSONFileLoader.load_file = note
    try:
        use()
    finally:
        JSONFileLoader.load_file = load
    for path in used:
        if path.startswith(DIRECTORY + "/") and path not in files:
            files[path] = load.plain(JSONFileLoader(), path)
            if path.endswith("/endpoint-rule-set-1"):
                rules = files[path]["rules"]
                rule_sets[id(rules)] = rules, [RuleCreator.create(**rule) for rule in rules]
