"""Write trimmed JSON schemas of custom resources from what package indexes have of them.

::

    npm install --ignore-scripts @kubernetes-models/keda@2.0.0 @kubernetes-models/gateway-api@2.0.0 \
        @kubernetes-models/prometheus-operator@6.0.0
    pip download --no-deps kserve==0.21.0 && unzip kserve-*.whl -d kserve
    python -m scripts.write_crd_schemas node_modules kserve

Objects are closed, so that a misspelt field is an error. Kubernetes's own types refer to ``_definitions.json`` of the
package kubernetes-validate.
"""

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "tests" / "deploy" / "kubernetes" / "schemas"
MODELS = "npm @kubernetes-models/{}, MIT licence, generated from Go types under the Apache License 2.0"
CUSTOM = {  # package of npm, group, version and kinds
    "keda": ("keda.sh", "v1alpha1", ["ScaledObject"]),
    "gateway-api": ("gateway.networking.k8s.io", "v1", ["HTTPRoute"]),
    "prometheus-operator": ("monitoring.coreos.com", "v1", ["PodMonitor", "PrometheusRule"]),
}
SERVERS = re.compile(
    r"(sklearn|xgboost|tensorflow|pytorch|triton|onnx|hugging|pmml|lightgbm|paddle|workerSpec|model$|explainer|transformer|status)"
)
PLAIN = {"string": "string", "number": "number", "boolean": "boolean"}
PYTHON = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}

Schema = dict[str, Any]


def _kubernetes(name: str) -> Schema:
    """Return a reference to a type of Kubernetes."""
    if name.endswith("IntOrString"):
        return {"type": ["string", "integer"]}
    return {"$ref": f"/api/_definitions.json#/$defs/{name}"}


class TypeScript:
    """Reader of a package's declarations."""

    def __init__(self, root: Path) -> None:
        """Set up; ``root`` is the folder ``node_modules``."""
        self.root, self.definitions = root, dict[str, Schema]()
        self._tokens: Iterator[str] = iter(())
        self._token, self._imports, self._folder = "", dict[str, Path](), root

    def define(self, file: Path) -> Schema:
        """Return a reference to the type of a file, and add its definition and those of its fields."""
        if file.stem.removesuffix(".d") in self.definitions:
            return {"$ref": f"#/definitions/{file.stem.removesuffix('.d')}"}
        name = file.stem.removesuffix(".d")
        self.definitions[name] = {}
        before = self._tokens, self._token, self._imports, self._folder
        text = re.sub(r"/\*.*?\*/", "", file.read_text("utf-8"), flags=re.DOTALL)
        self._folder = file.parent
        self._imports = {
            alias: Path(path) for alias, path in re.findall(r'import \{ (\w+)[^}]*\} from "([^"]+)"', text)
        }
        declared = re.search(
            rf"export (?:interface I{name}\b([^{{]*)(\{{.*?^\}})|type I{name} = (.*?);$)", text, re.M | re.S
        )
        assert declared is not None, file
        bases, body, alias = declared.groups()
        schema = self._parse(body or alias)
        for base in re.findall(r"\bI\w+", bases or ""):
            base_schema = self._resolve(base)
            inherited = self.definitions[base_schema["$ref"].rpartition("/")[2]]
            schema["properties"] = inherited["properties"] | schema["properties"]
            schema["required"] = [*inherited.get("required", []), *schema.get("required", [])]
        self.definitions[name] = schema
        self._tokens, self._token, self._imports, self._folder = before
        return {"$ref": f"#/definitions/{name}"}

    def _parse(self, text: str) -> Schema:
        self._tokens = iter(re.findall(r'"[^"]*"|\w+|[{}\[\]<>:;?|]', text))
        self._next()
        return self._type()

    def _next(self) -> str:
        before, self._token = self._token, next(self._tokens, "")
        return before

    def _type(self) -> Schema:
        choices = [self._single()]
        while self._token == "|":
            self._next()
            choices.append(self._single())
        if len(choices) == 1:
            return choices[0]
        if all("const" in choice for choice in choices):
            return {"enum": [choice["const"] for choice in choices]}
        return {"anyOf": choices}

    def _single(self) -> Schema:
        token = self._next()
        if token == "{":
            return self._object()
        if token == "Array":
            self._next()  # <
            items = self._type()
            self._next()  # >
            return {"type": "array", "items": items}
        if token.startswith('"'):
            return {"const": token.strip('"')}
        if token.isdigit():
            return {"const": int(token)}
        if token in PLAIN:
            return {"type": PLAIN[token]}
        if token in ("any", "unknown", "object"):
            return {}
        return self._resolve(token)

    def _object(self) -> Schema:
        properties, required = dict[str, Schema](), list[str]()
        while self._token != "}":
            name = self._next()
            if name == "[":  # [key: string]: type
                while self._next() != "]":
                    pass
                self._next()
                schema: Schema = {"type": "object", "additionalProperties": self._type()}
                while self._next() != "}":
                    pass
                return schema
            optional = self._token == "?"
            if optional:
                self._next()
            self._next()  # :
            properties[name.strip('"')] = self._type()
            if not optional:
                required.append(name.strip('"'))
            if self._token == ";":
                self._next()
        self._next()
        closed: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
        return closed | ({"required": required} if required else {})

    def _resolve(self, alias: str) -> Schema:
        path = self._imports[alias]
        if path.parts[0] == "kubernetes-models":
            return _kubernetes(".".join(["io.k8s.api", *path.parts[1:]]))
        if path.parts[:2] == ("@kubernetes-models", "apimachinery"):
            return _kubernetes(".".join(["io.k8s.apimachinery.pkg", *path.parts[2:]]))
        return self.define((self._folder / path).with_suffix(".d.ts").resolve())


class KServe:
    """Reader of the models in KServe's Python package."""

    def __init__(self, root: Path) -> None:
        """Set up; ``root`` is the folder of the unpacked wheel."""
        self.root, self.definitions = root / "kserve" / "models", dict[str, Schema]()

    def define(self, name: str) -> Schema:
        """Return a reference to a class, and add its definition and those of its fields."""
        if name not in self.definitions:
            self.definitions[name] = {}
            file = next(
                file for file in self.root.glob("*.py") if f"\nclass {name}(" in file.read_text(encoding="utf-8")
            )
            text = file.read_text(encoding="utf-8")
            types, names = (
                ast.literal_eval(re.search(rf"{field} = (\{{.*?\}})", text, re.DOTALL)[1])  # type: ignore[index]
                for field in ("openapi_types", "attribute_map")
            )
            properties = {
                names[field]: self._type(kind) for field, kind in types.items() if not SERVERS.match(names[field])
            }
            self.definitions[name] = {"type": "object", "properties": properties, "additionalProperties": False}
        return {"$ref": f"#/definitions/{name}"}

    def _type(self, kind: str) -> Schema:
        if kind in PYTHON:
            return {"type": PYTHON[kind]}
        if items := re.fullmatch(r"list\[(.*)\]", kind):
            return {"type": "array", "items": self._type(items[1])}
        if values := re.fullmatch(r"dict\(str, (.*)\)", kind):
            return {"type": "object", "additionalProperties": self._type(values[1])}
        if kind in ("ResourceQuantity", "V1beta1MetricQuantity"):
            return {"type": ["string", "number"]}
        if kind == "V1ObjectMeta":
            return _kubernetes("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
        if core := re.fullmatch(r"V1([A-Z]\w+)", kind):
            return _kubernetes(f"io.k8s.api.core.v1.{core[1]}")
        if other := re.fullmatch(r"K8sIoApi(\w+?)(V\d\w*?)([A-Z]\w+)", kind):
            return _kubernetes(f"io.k8s.api.{other[1].lower()}.{other[2].lower()}.{other[3]}")
        return self.define(kind) if kind.startswith("V1beta1") else {}


def _write(kind: str, source: str, reference: Schema, definitions: dict[str, Schema]) -> None:
    """Write the schema of a kind, without the status, which only controllers write."""
    root = definitions[reference["$ref"].rpartition("/")[2]]
    root["properties"].pop("status", None)
    used = dict[str, Schema]()
    waiting = [reference["$ref"].rpartition("/")[2]]
    while waiting:
        name = waiting.pop()
        if name not in used:
            used[name] = definitions[name]
            waiting += re.findall(r'"#/definitions/(\w+)"', json.dumps(definitions[name]))
    document = {"$comment": source, **reference, "definitions": dict(sorted(used.items()))}
    (TARGET / f"{kind}.json").write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")


def main(modules: Path, kserve: Path) -> None:
    """Write all schemas."""
    for package, (group, version, kinds) in CUSTOM.items():
        folder = modules / "@kubernetes-models" / package
        release = json.loads((folder / "package.json").read_text("utf-8"))["version"]
        for kind in kinds:
            reader = TypeScript(modules)
            file = folder / group / version / f"{kind}.d.ts"
            _write(kind, MODELS.format(f"{package} {release}"), reader.define(file), reader.definitions)
    models = KServe(kserve)
    source = "PyPI kserve 0.21.0, Apache License 2.0; without the model servers that come with KServe"
    _write("InferenceService", source, models.define("V1beta1InferenceService"), models.definitions)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
