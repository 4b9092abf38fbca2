"""Error responses that Envoy sends without asking a model, as problem details like those of the models."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from schemas.console import SECTIONS as CONSOLE_SECTIONS
from schemas.problem_kinds import ProblemName
from schemas.problems import Problem

_WAIT = "wait as many seconds as Retry-After says and send it again"
# Seconds of Retry-After, drawn at random, so that rejected clients do not return all at once.
_RETRY_AFTER = (1, 2, 3)
_SMALL = [section for section in CONSOLE_SECTIONS if section != "labels"]  # sections without photos in bodies

Filter = dict[str, Any]  # a filter of Envoy's access log
_Refusal = tuple[Filter, ProblemName, str]


def refusals(
    max_body: int,
    bodies: Mapping[str, int],
    headers_kb: int,
    address_limits: str,
    console_body: int | None = None,
    keyless_limits: str = "",
) -> list[dict[str, Any]]:
    """Return the error responses as Envoy's response mappers, in the order in which Envoy matches them.

    Args:
        max_body: largest accepted body of any model in bytes, for the message.
        bodies: largest accepted body of each model in bytes, for the message.
        headers_kb: largest accepted headers and address together in KiB, for the message.
        address_limits: rate limits of each address in words, for the message; empty if clients have the limits.
        console_body: largest accepted body of the console in bytes, for the message; None without a console.
        keyless_limits: rate limits of an address without a key, in words; empty if a key is always or never needed.
    """
    overloaded = f"too many requests are in progress; {_WAIT}"
    timeout = "the model did not answer in time; ask for less at a time"
    # auth.lua writes the client's limits, whose words need no escape in JSON.
    limits = address_limits or "%DYNAMIC_METADATA(shopcat:limits)%"
    of_console: list[_Refusal] = []
    without_key: list[_Refusal] = []
    if keyless_limits:
        cause = _all(_details("local_rate_limited"), _without_client())
        without_key = [(cause, "rate-limited", f"without a key, {keyless_limits} here; {_WAIT}")]
    if console_body is not None:
        of_console = [
            (
                _all(_console(_SMALL), _status(413)),
                "too-large",
                f"a body has at most {console_body:,} bytes here; send less",
            ),
            (_all(_console(), _status(503)), "unavailable", f"the pages and their API are being started; {_WAIT}"),
        ]
    responses: list[_Refusal] = [
        *without_key,
        (_details("local_rate_limited"), "rate-limited", f"{limits}; {_WAIT}"),
        # Rejections by the overload manager have no flag, only this detail.
        (_any(_flags("UO", "OM"), _details("overload")), "overloaded", overloaded),
        (_flags("UT", "DT", "SI"), "timeout", timeout),
        *of_console,
        (_status(429), "overloaded", overloaded),
        (_status(400), "malformed-request", "the request's address, headers or framing can't be read"),
        (_status(401), "unauthorized", "send a key in the header Authorization: Bearer KEY, or X-API-Key: KEY"),
        (_status(403), "forbidden", "%DYNAMIC_METADATA(shopcat:forbidden)%"),  # by auth.lua
        (_status(404), "not-found", "the addresses are listed in /openapi.json"),
        (_status(405), "method-not-allowed", "the header Allow lists the methods of this address"),
        (_status(408), "request-timeout", "the request was not complete in time; send it faster"),
        *(
            (_all(_path(model), _status(413)), "too-large", _too_large(size))
            for model, size in bodies.items()
            if size != max_body
        ),
        (_status(413), "too-large", _too_large(max_body)),
        (_status(426), "malformed-request", "use HTTP/1.1 or HTTP/2"),
        (_status(431), "headers-too-large", f"headers and address have at most {headers_kb} KiB together"),
        (_status(501), "malformed-request", "the only supported Transfer-Encoding is chunked"),
        (_status(502), "unavailable", f"the model's answer ended early; {_WAIT}"),
        (_status(503), "unavailable", f"no model could be reached; {_WAIT}"),
        (_status(504), "timeout", timeout),
    ]
    return [mapper for response in responses for mapper in _mappers(*response)]


def _too_large(size: int) -> str:
    return f"a body has at most {size:,} bytes here; send less at a time, or a smaller photo"


def _mappers(cause: Filter, kind: ProblemName, detail: str) -> Iterator[dict[str, Any]]:
    """Yield the mappers for one cause: one for each value of Retry-After, if it has any."""
    problem = Problem.of(kind, detail)
    headers = {"www-authenticate": "Bearer"} if problem.status == 401 else {}
    if problem.status != 503:
        yield _mapper(cause, problem, headers)
        return
    for index, seconds in enumerate(_RETRY_AFTER):
        # Each mapper takes its share of the requests that those before it have left; the last takes all.
        share = _chance(100 // (len(_RETRY_AFTER) - index))
        is_last = index == len(_RETRY_AFTER) - 1
        yield _mapper(cause if is_last else _all(cause, share), problem, {"retry-after": str(seconds)})


def _mapper(cause: Filter, problem: Problem, headers: Mapping[str, str]) -> dict[str, Any]:
    added: list[dict[str, Any]] = [
        {"header": {"key": key, "value": value}}
        for key, value in {"x-content-type-options": "nosniff", **headers}.items()  # a browser may have asked
    ]
    # Bytes that Envoy can't parse as a request have no ID yet. Any other request keeps its own.
    added.append({"header": {"key": "x-request-id", "value": "%UNIQUE_ID%"}, "append_action": "ADD_IF_ABSENT"})
    return {
        "filter": cause,
        "status_code": problem.status,
        "headers_to_add": added,
        "body_format_override": {
            "text_format_source": {"inline_string": problem.to_json().decode()},
            "content_type": "application/problem+json",
        },
    }


def _status(code: int, op: str = "EQ") -> Filter:
    comparison = {"op": op, "value": {"default_value": code, "runtime_key": "gateway.status"}}
    return {"status_code_filter": {"comparison": comparison}}


def _flags(*flags: str) -> Filter:
    return {"response_flag_filter": {"flags": flags}}


def _path(model: str) -> Filter:
    pattern = rf"/(predictions|explanations)/{re.escape(model)}(\?.*)?"
    return {"header_filter": {"header": {"name": ":path", "string_match": {"safe_regex": {"regex": pattern}}}}}


def _console(sections: Iterable[str] = CONSOLE_SECTIONS) -> Filter:
    """Return the filter of the console's addresses, or of some of its sections."""
    pattern = rf"/({'|'.join(sections)})(/.*|\?.*)?"
    return {"header_filter": {"header": {"name": ":path", "string_match": {"safe_regex": {"regex": pattern}}}}}


def _without_client() -> Filter:
    """Return the filter of requests in which auth.lua found no key."""
    return {"header_filter": {"header": {"name": "x-shopcat-client", "present_match": False}}}


def _chance(percent: int) -> Filter:
    sampled = {"numerator": percent, "denominator": "HUNDRED"}
    key = f"gateway.chance_{percent}"
    return {"runtime_filter": {"runtime_key": key, "percent_sampled": sampled, "use_independent_randomness": True}}


def access_logs(rate: Path) -> list[tuple[str, str, Filter]]:
    """Return the level, the cause as Envoy formats it, and the filter of each kind of response that no worker gave.

    Args:
        rate: file with the limit of lines, as `access_log_rate` returns it.
    """
    details, other = "%RESPONSE_CODE_DETAILS%", "torchserve_error"  # Envoy has no details of TorchServe's own errors
    by_envoy = 'response.code_details != "via_upstream" && response.code_details != ""'
    return [
        (level, cause, _all(_status(400, "GE"), _expression(f"response.code {codes} && {condition}"), _limited(rate)))
        for level, codes in (("info", "< 500"), ("warning", ">= 500"))
        for cause, condition in ((details, by_envoy), (other, 'response.code_details == ""'))
    ]


def access_log_rate() -> dict[str, Any]:
    """Return the largest number of lines of the access logs, as Envoy reads it from a file.

    A flood of rejected requests must not keep the process busy that reads the lines: it supervises the service. Envoy
    counts the lines that it leaves out (``envoy_access_log_process_ratelimit_denied``).
    """
    bucket = {"max_tokens": 500, "tokens_per_fill": 50, "fill_interval": "1s"}
    resource = {
        "@type": "type.googleapis.com/envoy.service.discovery.v3.Resource",
        "name": "access_log",
        "version": "1",
        "resource": {"@type": "type.googleapis.com/envoy.type.v3.TokenBucket", **bucket},
    }
    return {"version_info": "1", "resources": [resource]}


def _limited(rate: Path) -> Filter:
    """Return a filter that admits the lines of a rate."""
    source = {"resource_api_version": "V3", "path_config_source": {"path": str(rate)}}
    kinds = "type.googleapis.com/envoy.extensions.access_loggers.filters.process_ratelimit.v3"
    config = {
        "@type": f"{kinds}.ProcessRateLimitFilter",
        "dynamic_config": {"resource_name": "access_log", "config_source": source},
    }
    name = "envoy.access_loggers.extension_filters.process_ratelimit"
    return {"extension_filter": {"name": name, "typed_config": config}}


def _details(details: str) -> Filter:
    return _expression(f'response.code_details == "{details}"')


def _expression(text: str) -> Filter:
    """Return a filter of requests for which an expression of CEL is true."""
    config = {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
        "expression": text,
    }
    return {"extension_filter": {"name": "envoy.access_loggers.extension_filters.cel", "typed_config": config}}


def _any(*filters: Filter) -> Filter:
    return {"or_filter": {"filters": filters}}


def _all(*filters: Filter) -> Filter:
    return {"and_filter": {"filters": filters}}
