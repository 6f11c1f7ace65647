"""From a template to an answer, with the headers that every page carries.

Invariants:
    1. Every value is escaped when it is put into a page, and has U+FFFD for control characters that no page
       holds; a template that names an unknown value fails.
    2. A page loads nothing but its own style sheet and images of this server, runs no script, submits only to
       this server and is shown in no frame.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")
"""Control characters that HTML has no place for: all but tab, line feed, form feed and carriage return."""
RAW_POLICY: Final = "default-src 'none'; sandbox"
"""For content that somebody pushed: nothing in it may run or load, and it is no part of this site."""


def make_environment() -> Environment:
    """The templates of this package."""
    environment = Environment(
        loader=PackageLoader("imprint.api.web"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_replace_controls,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = render_count
    environment.filters["prose"] = render_prose
    return environment


def _replace_controls(value: object) -> object:
    """A value as it is put into a page; markup stays markup."""
    if not isinstance(value, str) or not _CONTROLS.search(value):
        return value
    return type(value)(_CONTROLS.sub("\ufffd", value))


def render_page(
    connection: HTTPConnection, template: str, *, status: int = 200, **values: Any
) -> HTMLResponse:
    """An answer out of a template."""
    environment = cast("Environment", connection.app.state.templates)
    html = environment.get_template(template).render(values)
    return HTMLResponse(html, status, headers={"Cache-Control": "private, no-cache", **SECURITY_HEADERS})


def render_prose(text: str) -> Markup:
    """Words of ours as HTML: what stands between backticks becomes code, everything is escaped."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if at % 2 else escape(part) for at, part in enumerate(parts)
    )


def render_count(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: `1 commit`, `1,204 commits`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
