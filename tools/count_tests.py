#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the JUnit reports below a folder: prints "PASSED FAILED SKIPPED".

A GoogleTest program leaves a report of its own cases, which then stand for its one line in ctest's
report. Failed and skipped cases are named on standard error.
"""

import pathlib
import sys
import xml.etree.ElementTree as xml


def verdict(case):
    """passed, failed or skipped, and the reason; a test that was not run counts as skipped."""
    for child in case:
        if child.tag in ("failure", "error"):
            return "failed", child.get("message", "")
        if child.tag == "skipped":
            return "skipped", child.get("message", "")
    if case.get("status") in ("notrun", "disabled"):
        return "skipped", "disabled"
    return "passed", ""


def cases_of(report):
    for case in xml.parse(report).iter("testcase"):
        group = case.get("classname", "")
        name = case.get("name") if group in ("", case.get("name")) else f"{group}.{case.get('name')}"
        yield name, *verdict(case)


def all_cases(folder):
    programs = {report.stem: list(cases_of(report)) for report in folder.glob("gtest/*.xml")}
    for cases in programs.values():
        yield from cases
    for report in sorted(folder.glob("*.xml")):
        for name, kind, reason in cases_of(report):
            inner = [k for _, k, _ in programs.get(name, [])]
            # A program may also fail outside its cases: a leak found at its end, say.
            if not inner or kind == "failed" and "failed" not in inner:
                yield name, kind, reason


def main():
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for name, kind, reason in all_cases(pathlib.Path(sys.argv[1])):
        count[kind] += 1
        if kind != "passed":
            print(f"  {kind.upper()} {name}: {' '.join(reason.split())[:200]}", file=sys.stderr)
    print(count["passed"], count["failed"], count["skipped"])


if __name__ == "__main__":
    main()
