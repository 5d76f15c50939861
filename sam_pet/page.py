"""The page of a report: tables and pictures as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment

_TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #ccc; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; margin: 1rem 0; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
th { border-bottom: 2px solid #666; }
td.best { font-weight: 700; background: #e8f1f8; }
figure { margin: 1rem 0; } img { max-width: 100%; height: auto; }
figcaption, .note { color: #555; font-size: 13px; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
{% for line in lead %}<p>{{ line }}</p>
{% endfor %}
{% for section in sections %}
<h2>{{ section.title }}</h2>
{% for note in section.notes %}<p class="note">{{ note }}</p>
{% endfor %}
{% for table in section.tables %}
<div class="wide"><table>
{% if table.columns %}
<thead><tr>{% for name in table.columns %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead>
{% endif %}
<tbody>
{% for row in table.rows %}<tr>{% for cell in row %}<td{% if cell.best %} class="best"{% endif %}>{%
 if cell.link %}<a href="{{ cell.link | urlencode }}">{{ cell.text }}</a>{% else %}{{ cell.text }}{% endif %}</td>{%
 endfor %}</tr>
{% endfor %}</tbody>
</table></div>
{% endfor %}
{% for image in section.images %}
<figure><img src="{{ image.source }}" alt="{{ image.caption }}"><figcaption>{{ image.caption }}</figcaption></figure>
{% endfor %}
{% endfor %}
</body>
</html>
"""


@dataclass(frozen=True)
class Cell:
    text: str
    best: bool = False
    link: str | None = None


@dataclass(frozen=True)
class Table:
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Image:
    content: bytes
    caption: str
    kind: str = "svg+xml"

    @property
    def source(self) -> str:
        return f"data:image/{self.kind};base64,{base64.b64encode(self.content).decode()}"


@dataclass
class Section:
    title: str
    notes: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)


def render(title: str, lead: Sequence[str], sections: Sequence[Section]) -> str:
    """The page as HTML."""
    template = Environment(autoescape=True, trim_blocks=True).from_string(_TEMPLATE)
    return template.render(title=title, lead=lead, sections=sections)


def number(value: Any, digits: int = 3, unit: str = "") -> str:
    """A number as text; a dash where there is none."""
    if value is None or value != value:
        return "–"
    return f"{value:.{digits}f}{unit}"
