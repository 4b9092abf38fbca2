"""Write the generated parts of docs/reference: ``python -m scripts.write_reference``.

cli.md        from the click commands
http-api.md   from schemas/openapi.json
metrics.md    from the definitions of the metrics
settings.md   from the settings of each model

A page keeps its text before and after the markers ``<!-- generated -->`` and ``<!-- end -->``.
"""

import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import yaml

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
SETTINGS = ROOT / "serving" / "archives" / "settings"

# --- Command line -----------------------------------------------------------------------------------------------------


def cli_sections() -> str:
    """Return a section for each command, from its help."""
    from cli import main

    lines: list[str] = []
    for path, command in _commands(main, "shopcat"):
        lines += _command_section(path, command)
    return _page(lines)


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None:
                yield from _commands(found, f"{path} {name}")


def _command_section(path: str, command: click.Command) -> list[str]:
    context = click.Context(command, info_name=path)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    lines = [f"## {path}", "", *_help(command.help or ""), "", "```text", usage, "```", ""]
    options = [param for param in command.params if isinstance(param, click.Option) and not param.hidden]
    if options:
        lines += ["| option | value | default | meaning |", "|---|---|---|---|"]
        lines += [_option_row(option, context) for option in options]
        lines.append("")
    return lines


def _help(text: str) -> list[str]:
    """Return help as Markdown: paragraphs marked with backspace keep their lines."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if paragraph.startswith("\b"):
            lines += ["```text", paragraph.removeprefix("\b").strip("\n"), "```", ""]
        else:
            lines += [" ".join(paragraph.split()), ""]
    return lines[:-1]


def _option_row(option: click.Option, context: click.Context) -> str:
    names = " / ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    value = "" if option.is_flag else _value(option)
    text = " ".join((option.help or "").split())
    stated = re.search(r"\s*\[default: (.*)\]$", text)  # in the help itself
    shown = option.show_default and not option.is_flag and option.default is not None
    given = option.show_default if isinstance(option.show_default, str) else None  # in place of a computed one
    default = stated[1] if stated else given or f"{option.get_default(context)}" if shown else ""
    text = text[: stated.start()] if stated else text
    return f"| {names} | {value} | {_cell(default)} | {_cell(text)} |"


def _value(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return ", ".join(f"`{choice}`" for choice in option.type.choices)
    if isinstance(option.type, (click.IntRange, click.FloatRange)):
        kind = "integer" if isinstance(option.type, click.IntRange) else "number"
        low, high = option.type.min, option.type.max
        return kind if low is None else f"{kind} from {low}" + ("" if high is None else f" to {high}")
    if isinstance(option.type, click.Path):
        return "path"
    return str(option.type.name)


# --- HTTP API ---------------------------------------------------------------------------------------------------------


def http_sections() -> str:
    """Return a section for each address and type, from the OpenAPI contract."""
    contract = json.loads((ROOT / "schemas" / "openapi.json").read_text(encoding="utf-8"))
    about = contract["info"].get("description", "")
    lines = [about.replace("docs/reference/problems.md", "[Problems](problems.md)"), ""]
    for path, item in contract["paths"].items():
        for method in [name for name in ("get", "put", "post", "delete") if name in item]:
            parameters = [*item.get("parameters", []), *item[method].get("parameters", [])]
            operation = item[method] | {"parameters": parameters}
            lines += _operation_section(f"{method.upper()} {path}", operation, contract)
    lines += ["## Types", ""]
    for name, schema in contract["components"]["schemas"].items():
        lines += _schema_section(name, schema)
    return _page(lines)


def _operation_section(title: str, operation: dict[str, Any], contract: dict[str, Any]) -> list[str]:
    lines = [f"## {title}", ""]
    lines += [text + "\n" for key in ("summary", "description") if (text := operation.get(key))]
    parameters = [_resolved(parameter, contract) for parameter in operation.get("parameters", [])]
    if parameters:
        lines += ["| parameter | in | type | meaning |", "|---|---|---|---|"]
        for parameter in parameters:
            row = [f"`{parameter['name']}`", parameter["in"], _type(parameter.get("schema", {}))]
            text = parameter.get("description") or parameter.get("schema", {}).get("description", "")
            lines.append(f"| {' | '.join(row)} | {_cell(text)} |")
        lines.append("")
    body = _resolved(operation.get("requestBody", {}), contract)
    if content := body.get("content"):
        lines += ["| request body | type |", "|---|---|"]
        lines += [f"| `{kind}` | {_type(media.get('schema', {}))} |" for kind, media in content.items()]
        lines.append("")
        for kind, media in content.items():
            if properties := media.get("schema", {}).get("properties"):
                lines += _field_table(f"field of {kind}", media["schema"], properties)
    lines += ["| status | answer | meaning |", "|---|---|---|"]
    for status, response in operation["responses"].items():
        response = _resolved(response, contract)
        kinds = [_type(media.get("schema", {})) for media in response.get("content", {}).values()]
        lines.append(f"| {status} | {', '.join(kinds)} | {_cell(response.get('description', ''))} |")
    return [*lines, ""]


def _schema_section(name: str, schema: dict[str, Any]) -> list[str]:
    lines = [f"### {name}", ""]
    if text := schema.get("description"):
        lines += [" ".join(text.split()), ""]
    if properties := schema.get("properties"):
        lines += _field_table("field", schema, properties)
    else:
        lines += [_type(schema), ""]
    return lines


def _field_table(title: str, schema: dict[str, Any], properties: dict[str, Any]) -> list[str]:
    """Return a table of an object's fields."""
    lines = [f"| {title} | type | meaning |", "|---|---|---|"]
    for field, value in properties.items():
        required = "" if field in schema.get("required", []) else "optional: "
        lines.append(f"| `{field}` | {required}{_type(value)} | {_cell(value.get('description', ''))} |")
    return [*lines, ""]


def _resolved(value: dict[str, Any], contract: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in value:
        return value
    found: Any = contract
    for part in value["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


def _type(schema: dict[str, Any]) -> str:
    """Return a JSON schema in words, with links to other types."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(_type(choice) for choice in schema[key]))
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "contentMediaType" in schema:
        return f"file (`{schema['contentMediaType']}`)"
    kind = schema.get("type", "any")
    if kind == "array":
        items = _type(schema.get("items", {}))
        items = f"({items})" if " or " in items or "," in items else items
        low, high = schema.get("minItems"), schema.get("maxItems")
        return f"array of {items}" if high is None else f"array of {low or 0} to {high:,} {items}"
    kind = f"{kind} ({schema['format']})" if "format" in schema and kind == "string" else str(kind)
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{kind}, {low} to {high}"
    return kind if low is None else f"{kind}, at least {low}"


# --- Metrics ----------------------------------------------------------------------------------------------------------

UNITS = {"seconds": "seconds", "bytes": "bytes", "ratio": "0 to 1", "celsius": "degrees C", "watts": "watts"}


def metrics_table() -> str:
    """Return the table of all metrics, from their definitions."""
    lines = ["| metric | labels | type | unit | meaning |", "|---|---|---|---|---|"]
    for name, labels, kind, meaning in sorted(_metrics()):
        unit = next((text for suffix, text in UNITS.items() if name.endswith(f"_{suffix}")), "")
        shown = ", ".join(f"`{label}`" for label in labels)
        lines.append(f"| `{name}` | {shown} | {kind} | {unit} | {_cell(meaning)} |")
    return _page(lines)


def _metrics() -> Iterator[tuple[str, tuple[str, ...], str, str]]:
    """Yield name, labels, type and help of each metric."""
    from prometheus_client import REGISTRY
    from prometheus_client.metrics import MetricWrapperBase

    import handlers
    from console import metrics as console_metrics
    from console.feedback import metrics as feedback_metrics
    from console.review import metrics as review_metrics
    from serving.monitoring import host_metrics
    from serving.monitoring.server_metrics import ServerCollector
    from serving.monitoring.watched import STARTING

    for module in pkgutil.walk_packages(handlers.__path__, "handlers."):
        importlib.import_module(module.name)
    registries = (REGISTRY, console_metrics.REGISTRY)
    for metric in {metric for registry in registries for metric in registry._names_to_collectors.values()}:
        if isinstance(metric, MetricWrapperBase) and metric._name.startswith("shopcat_"):
            suffix = "_total" if metric._type == "counter" else ""
            yield f"{metric._name}{suffix}", tuple(metric._labelnames), str(metric._type), metric._documentation
    for family in [
        *ServerCollector(lambda: (STARTING, [])).collect(),
        *host_metrics.HostCollector(ROOT).collect(),
        *feedback_metrics.families(),
        *review_metrics.families(),
    ]:
        if not family.name.startswith("shopcat_gpu_"):
            suffix = "_total" if family.type == "counter" else ""
            yield f"{family.name}{suffix}", tuple(family._labelnames), family.type, family.documentation
    for name, meaning in host_metrics._GPU.items():
        yield name, ("gpu",), "gauge", meaning


# --- Settings ---------------------------------------------------------------------------------------------------------

MEANINGS = {
    "batchSize": "largest number of requests in a batch",
    "maxBatchDelay": "milliseconds that TorchServe waits for a full batch; has no effect with Shopcat's patch",
    "responseTimeout": "seconds that a batch may take before its worker is killed",
    "startupTimeout": "seconds that a worker may take to load its bundle",
    "maxRetryTimeoutInSec": "seconds, from its first failure, in which TorchServe restarts a worker",
    "max_request_bytes": "largest request body that the gateway accepts, in bytes",
    "max_concurrent": "admission limit: largest number of requests in progress for each worker",
    "min_concurrent": "lower bound of the adaptive limit: requests in progress for each worker",
    "target_latency_ms": "median latency, in milliseconds, up to which Envoy raises the adaptive limit",
    "min_body_bytes": "smallest body that the adaptive limit applies to, in bytes",
}


def settings_tables() -> str:
    """Return a table for each model's settings, from its file."""
    lines: list[str] = []
    for file in sorted(SETTINGS.glob("*.yaml")):
        lines += [
            f"## {file.stem}",
            "",
            f"`{file.relative_to(ROOT)}`",
            "",
            "| setting | value | meaning |",
            "|---|---|---|",
        ]
        lines += [
            f"| `{key}` | {value} | {meaning} |" for key, value, meaning in _flat(yaml.safe_load(file.read_text()))
        ]
        lines.append("")
    return _page(lines)


def _flat(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value, MEANINGS[key]


# --- Pages ------------------------------------------------------------------------------------------------------------

GENERATORS: dict[str, Callable[[], str]] = {
    "cli.md": cli_sections,
    "http-api.md": http_sections,
    "metrics.md": metrics_table,
    "settings.md": settings_tables,
}
_BEGIN, _END = "<!-- generated -->\n", "<!-- end -->\n"


def updated(name: str) -> str:
    """Return a page with its generated part written anew."""
    page = (REFERENCE / name).read_text(encoding="utf-8")
    before, _, rest = page.partition(_BEGIN)
    return f"{before}{_BEGIN}\n{GENERATORS[name]()}\n{_END}{rest.partition(_END)[2]}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _page(lines: list[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


if __name__ == "__main__":
    for name in GENERATORS:
        (REFERENCE / name).write_text(updated(name), encoding="utf-8")
