"""Runs operators' own Python for the platform: one request a line, one answer a line, both JSON.

Started as `python3 -I bridge.py REQUESTS ANSWERS` with the paths of two FIFOs. While code runs it may call back: a line
{"call": name, "args": [...], "kwargs": {...}} is answered by one line before the code goes on.
"""
import ast
import base64
import inspect
import json
import re
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


def literal(value):
    """A default as source text; what has none in Python's literals counts as None."""
    try:
        text = repr(value)
        return text if ast.literal_eval(text) == value else "None"
    except (ValueError, SyntaxError):
        return "None"


def describe(module):
    """The functions that a module offers: signature as source text, documentation."""
    aliases = getattr(module, "__func_alias__", {})
    found = {}
    for name, function in vars(module).items():
        if name.startswith("_") or not inspect.isfunction(function) or function.__module__ != module.__name__:
            continue
        parts = []
        starred = False
        for p in inspect.signature(function).parameters.values():
            default = "" if p.default is p.empty else "=" + literal(p.default)
            if p.kind is p.VAR_POSITIONAL:
                starred = True
                parts.append("*" + p.name)
            elif p.kind is p.VAR_KEYWORD:
                parts.append("**" + p.name)
            else:
                if p.kind is p.KEYWORD_ONLY and not starred:
                    starred = True
                    parts.append("*")
                parts.append(p.name + default)
        found[aliases.get(name, name)] = {
            "function": name,
            "sig": aliases.get(name, name) + "(" + ", ".join(parts) + ")",
            "doc": inspect.getdoc(function) or "",
        }
    return {"functions": found, "virtual": hasattr(module, "__virtual__"), "doc": inspect.getdoc(module) or "",
            "virtualname": getattr(module, "__virtualname__", None)}


modules = {}


def load(request):
    path = request["path"]
    known = modules.get(path)
    if known is None or known[0] != request["source"]:
        module = types.ModuleType("operators_" + re.sub(r"\W", "_", path))
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
        if request["op"] == "describe":
            result = describe(module)
        else:
            function = getattr(module, request["function"])
            result = function(*unpack(request["args"]), **unpack(request["kwargs"]))
        send({"ok": pack(result)})
    except BaseException as exc:  # what the operator's code raises is its answer
        if isinstance(exc, (KeyboardInterrupt, SystemExit)) and request["op"] == "stop":
            raise
        text = "".join(traceback.format_exception_only(type(exc), exc)).strip()
        send({"error": text, "traceback": traceback.format_exc(), "type": type(exc).__name__})
