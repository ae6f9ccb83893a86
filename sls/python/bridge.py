"""Runs operators' own Python for the platform: one request a line, one answer a line, both JSON.

Started as `python3 -I bridge.py REQUESTS ANSWERS` with the paths of two FIFOs. While code runs it may call back: a line
{"call": name, "args": [...], "kwargs": {...}} is answered by one line before the code goes on.
"""
import base64
import json
import sys
import traceback
import types

requests = open(sys.argv[1], "r", encoding="utf-8", newline="\n")
answers = open(sys.argv[2], "w", encoding="utf-8", newline="\n")


def pack(value):
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if -(2**53) < value < 2**53 else {"__int__": str(value)}
    if isinstance(value, float):
        return {"__float__": repr(value)}
    if isinstance(value, (bytes, bytearray)):
        return {"__bytes__": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, tuple):
        return {"__tuple__": [pack(v) for v in value]}
    if isinstance(value, (set, frozenset)):
        return {"__set__": [pack(v) for v in value]}
    if isinstance(value, dict):
        if all(isinstance(k, str) and not k.startswith("__") for k in value):
            return {k: pack(v) for k, v in value.items()}
        return {"__map__": [[pack(k), pack(v)] for k, v in value.items()]}
    if hasattr(value, "__iter__"):
        return [pack(v) for v in value]
    return str(value)


def unpack(value):
    if isinstance(value, list):
        return [unpack(v) for v in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((key, inner),) = value.items()
        if key == "__int__":
            return int(inner)
        if key == "__float__":
            return float(inner)
        if key == "__bytes__":
            return base64.b64decode(inner)
        if key == "__tuple__":
            return tuple(unpack(v) for v in inner)
        if key == "__set__":
            return {unpack(v) for v in inner}
        if key == "__map__":
            return {unpack(k): unpack(v) for k, v in inner}
    return {k: unpack(v) for k, v in value.items()}


def send(message):
    answers.write(json.dumps(message) + "\n")
    answers.flush()


class Salt(dict):
    """`__salt__`: functions by name, called back over the wire."""

    def __init__(self, prefix=""):
        super().__init__()
        self._prefix = prefix

    def __missing__(self, name):
        return lambda *args, **kwargs: ask(name, args, kwargs)

    def __contains__(self, name):
        return bool(ask("__has__", [name], {}))

    def get(self, name, default=None):
        return self[name] if name in self else default

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        module = types.SimpleNamespace()
        outer = self

        class Module:
            def __getattr__(self, function):
                return outer[f"{name}.{function}"]

        del module
        return Module()


def ask(name, args, kwargs):
    send({"call": name, "args": [pack(a) for a in args], "kwargs": {k: pack(v) for k, v in kwargs.items()}})
    answer = json.loads(requests.readline())
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return unpack(answer["ok"])


modules = {}


def load(request):
    path = request["path"]
    known = modules.get(path)
    if known is None or known[0] != request["source"]:
        module = types.ModuleType(request.get("name") or "sls")
        module.__file__ = path
        modules[path] = known = (request["source"], module)
        vars(module).update(unpack(request["globals"]))
        vars(module)["__salt__"] = vars(module)["salt"] = Salt()
        exec(compile(request["source"], path, "exec"), vars(module))
    else:
        vars(known[1]).update(unpack(request["globals"]))
    return known[1]


for line in requests:
    request = json.loads(line)
    try:
        module = load(request)
        if request["op"] == "names":
            result = sorted(k for k, v in vars(module).items() if callable(v) and not k.startswith("__") and k != "salt")
        else:
            function = getattr(module, request["function"])
            result = function(*unpack(request["args"]), **unpack(request["kwargs"]))
        send({"ok": pack(result)})
    except BaseException as exc:  # what the operator's code raises is its answer
        if isinstance(exc, (KeyboardInterrupt, SystemExit)) and request["op"] == "stop":
            raise
        text = "".join(traceback.format_exception_only(type(exc), exc)).strip()
        send({"error": text, "traceback": traceback.format_exc(), "type": type(exc).__name__})
