#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes src/text/testdata/templates.json: small templates and what Python's Jinja2 makes of them.

Jinja2 is set up as transformers sets it up for chat templates: immutable sandbox, trim_blocks and
lstrip_blocks, loop controls, the tag `generation`, a tojson that calls json.dumps, and the
functions raise_exception and strftime_now (here on a fixed day). The C++ test renders the same
templates and expects the same text, the same refusal by raise_exception, or an error where Jinja2
has one.

Usage: make_template_fixtures.py [OUTPUT]        (needs jinja2 3.1)
"""

import datetime
import json
import pathlib
import sys

import jinja2
import jinja2.ext
import jinja2.sandbox

from template_snippets import CONTEXTS, SNIPPETS

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "src/text/testdata/templates.json"
NOW = datetime.datetime(2024, 7, 4, 9, 5, 3)


class Refusal(Exception):
    """What raise_exception raises."""


class Generation(jinja2.ext.Extension):
    """{% generation %} marks what the assistant says; the text is passed on unchanged."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("pass_on"), [], [], body).set_lineno(line)

    def pass_on(self, caller):
        return caller()


def to_json(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def refuse(message):
    raise Refusal(message)


def make_environment():
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    environment.filters["tojson"] = to_json
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = NOW.strftime
    return environment


def render(environment, template, context):
    try:
        return {"output": environment.from_string(template).render(**context)}
    except Refusal as refusal:
        return {"refusal": str(refusal)}
    except Exception as error:  # whatever Jinja2 or Python raises is an error of the template
        return {"error": type(error).__name__}


def main():
    environment = make_environment()
    cases = []
    for group, snippets in SNIPPETS.items():
        for snippet in snippets:
            template, name = snippet if isinstance(snippet, tuple) else (snippet, "base")
            result = render(environment, template, json.loads(json.dumps(CONTEXTS[name])))
            cases.append({"group": group, "template": template, "context": name, **result})
    output = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else OUTPUT
    lines = ",\n".join(json.dumps(case) for case in cases)
    output.write_text('{"contexts": %s,\n"cases": [\n%s\n]}\n' % (json.dumps(CONTEXTS), lines),
                      encoding="ascii")
    print(f"{output}: {len(cases)} cases")


if __name__ == "__main__":
    main()
