#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold docs/functions.md to the headers and to the tests.

usage: check-functions.py [-h] [--root DIR] [--list]

  --root DIR  the tree to look at (default: this one)
  --list      print every function of the headers, with the tests that the
              table names for it

The headers say which functions there are: the dispatch tables of
guest-driver/core/ndk.h, the tables and entry points of guest-driver/ndspi.  The
table must have one row for each, and no other.  A row is wrong when a test that
it names does not exist, when none of them calls the function, itself or through
what it uses, and, for a function that is not supported, when none of them looks
for that answer.  One line each; exit status 1 if there was any.
"""
from __future__ import annotations

import argparse
import functools
import re
import sys
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Set, Tuple

TABLE = "docs/functions.md"
ENTRY_POINTS = "Entry points"

Surface = Dict[str, List[str]]          # table -> functions, in order


class Row(NamedTuple):
    line: int
    table: str
    function: str
    answer: str                         # "yes", or "NOT_SUPPORTED: why"
    tests: List[str]                    # "unit/test_x.c:name"


class Definition(NamedTuple):
    text: str
    words: Set[str]


# ------------------------------------------------------------------ headers

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')


def bare(text: str) -> str:
    """Without comments, and with empty strings."""
    return STRING.sub('""', COMMENT.sub(" ", text))


def ndk_tables(root: Path) -> Surface:
    text = bare((root / "guest-driver/core/ndk.h").read_text())
    found: Surface = {}
    for name, body in re.findall(r"struct _(NDK_\w+_DISPATCH) \{(.*?)\};", text, re.S):
        found[name] = re.findall(r"\*\s*(\w+);", body)
    core = bare((root / "guest-driver/core/vrdma_core.h").read_text())
    found["NDK_ADAPTER"] = re.findall(r"\b(vrdma_(?:open|close)_adapter)\(", core)
    return found


def nd_macros(text: str) -> Dict[str, List[str]]:
    """Slots that a macro puts into a table, and the macros in it."""
    macros: Dict[str, List[str]] = {}
    for name, body in re.findall(r"#define (ND_\w+_METHODS)\(T\)((?:[^\n]*\\\n)*[^\n]*)", text):
        slots: List[str] = []
        for use, slot in re.findall(r"(ND_\w+_METHODS)\(T\)|ND_CALL \*(\w+)\)", body):
            slots += macros[use] if use else [slot]
        macros[name] = slots
    return macros


def nd_tables(root: Path) -> Surface:
    folder = root / "guest-driver/ndspi"
    text = bare((folder / "ndspi.h").read_text())
    macros = nd_macros(text)
    found: Surface = {}
    for name, body in re.findall(r"typedef struct (IND2\w+)Vtbl \{(.*?)\} \w+;", text, re.S):
        slots: List[str] = []
        for use, slot in re.findall(r"(ND_\w+_METHODS)\(\w+\)|ND_CALL \*(\w+)\)", body):
            slots += macros[use] if use else [slot]
        found[name] = slots
    entries: List[str] = []
    for header in ("ndspi.h", "ndutil.h", "nd_win.h"):
        entries += re.findall(r"^(?:HRESULT|VOID|BOOL|const char \*) ?\*?(\w+)\([^;{]*\);",
                              bare((folder / header).read_text()), re.M)
    found[ENTRY_POINTS] = entries
    return found


def surface(root: Path) -> Surface:
    return {**ndk_tables(root), **nd_tables(root)}


# -------------------------------------------------------------------- table

def rows(root: Path) -> Iterator[Row]:
    table = ""
    for number, line in enumerate((root / TABLE).read_text().splitlines(), 1):
        if line.startswith("#"):
            table = line.strip("# `")
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if not line.startswith("| `") or len(cells) != 3:
            continue
        yield Row(number, table, cells[0].strip("`"), cells[1],
                  re.findall(r"`([^`]+)`", cells[2]))


# -------------------------------------------------------------------- tests

DEFINITION = re.compile(
    r"^START_TEST\((?P<test>\w+)\)(?P<test_body>.*?)^END_TEST"
    r"|^#define (?P<macro>\w+)\b(?P<macro_body>(?:[^\n]*\\\n)*[^\n]*)"
    r"|^(?P<data_head>(?:static|const|struct|extern)\b[^;(){}]*?\b(?P<data>\w+)(?:\[[^;={]*\])* =)"
    r"(?P<data_body>\s*\{.*?^\};|[^;{]*;)"
    r"|^(?P<head>[A-Za-z_][^;{}=]*?\b(?P<function>\w+)\((?:[^;{}]*)\)\s*)^\{(?P<body>.*?)^\}",
    re.S | re.M)


@functools.lru_cache(maxsize=None)
def definitions(path: Path) -> Dict[str, Definition]:
    """Every test, function, table and macro of a file by name."""
    found: Dict[str, Definition] = {}
    for m in DEFINITION.finditer(bare(path.read_text())):
        name = m["test"] or m["macro"] or m["data"] or m["function"]
        text = (m["test_body"] or m["macro_body"] or m["data_body"]
                or (m["head"] or "") + (m["body"] or ""))
        old = found.get(name)
        if old:                         # one of several under #if
            text = old.text + text
        found[name] = Definition(text, set(re.findall(r"\w+", text)))
    return found


def companions(path: Path) -> List[Path]:
    """Files whose functions a test may go through."""
    tests = path.parent.parent
    mine = [tests / path.parent.name / name
            for name in re.findall(r'#include "([\w./]+)"', path.read_text())]
    return ([p for p in mine if p.exists()] + sorted((tests / "lib").glob("*.[ch]")))


def reach(path: Path, test: str) -> List[str]:
    """The text of a test and of everything that it uses."""
    known: Dict[str, Definition] = {}
    for file in reversed([path, *companions(path)]):
        known.update(definitions(file))
    seen: Set[str] = set()
    todo = [test]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += [w for w in known[name].words if w in known]
    return [known[name].text for name in sorted(seen)]


@functools.lru_cache(maxsize=None)
def whole(path: Path) -> str:
    return "".join(bare(p.read_text()) for p in [path, *companions(path)])


def types_of(text: str, name: str) -> Set[str]:
    """T of each `T *name` and `T *a, *name`."""
    return set(re.findall(r"\b(\w+)\s*\*\s*(?:\w+[^,;(){}]*,\s*\*\s*)*" + name + r"\b", text))


def calls(path: Path, test: str, table: str, function: str, shared: bool) -> bool:
    """Does the test call that function of that table?

    Where several tables have a function of that name (shared), what it is called
    on must be declared with the right type: where the call is, or else anywhere
    in the file; or the test itself must name the type.
    """
    texts = reach(path, test)
    if table in (ENTRY_POINTS, "NDK_ADAPTER"):
        return any(re.search(r"\b" + function + r"\(", text) for text in texts)
    use = re.compile(r"(\w+)\s*(?:->|\.)\s*(?:(?:lpVtbl|Dispatch)\s*->\s*)?"
                     + function + r"\s*\(")
    wanted = {table, table.removesuffix("_DISPATCH")}
    used = False
    for text in texts:
        for name in use.findall(text):
            used = True
            if not shared or wanted & (types_of(text, name) or types_of(whole(path), name)):
                return True
    return used and bool(wanted & definitions(path)[test].words)


# ------------------------------------------------------------------- verdict

def check_tests(root: Path, row: Row, shared: bool) -> Iterator[str]:
    if not row.tests:
        yield "no test"
        return
    reached: List[Tuple[Path, str]] = []
    for name in row.tests:
        file, _, test = name.partition(":")
        path = root / "tests" / file
        if not path.is_file() or test not in definitions(path) \
                or f"START_TEST({test})" not in path.read_text():
            yield f"there is no test {name}"
        elif not calls(path, test, row.table, row.function, shared):
            yield f"{name} does not call it"
        else:
            reached.append((path, test))
    if row.answer.startswith("NOT_SUPPORTED") and reached and \
            not any("_NOT_SUPPORTED" in text for r in reached for text in reach(*r)):
        yield "no test looks for NOT_SUPPORTED"


def check_answer(row: Row) -> Iterator[str]:
    if row.answer != "yes" and not re.match(r"NOT_SUPPORTED: \w", row.answer):
        yield "neither \"yes\" nor \"NOT_SUPPORTED: why\""


def complaints(root: Path) -> Iterator[str]:
    there = surface(root)
    names = [f for functions in there.values() for f in functions]
    told: Set[Tuple[str, str]] = set()
    for row in rows(root):
        where = f"{TABLE}:{row.line}: {row.table} {row.function}: "
        if row.function not in there.get(row.table, []):
            yield where + "not in the headers"
            continue
        if (row.table, row.function) in told:
            yield where + "twice"
        told.add((row.table, row.function))
        for text in check_answer(row):
            yield where + text
        for text in check_tests(root, row, names.count(row.function) > 1):
            yield where + text
    for table, functions in there.items():
        for function in functions:
            if (table, function) not in told:
                yield f"{TABLE}: {table} {function}: no row"


def main() -> int:
    parser = argparse.ArgumentParser(usage=__doc__, add_help=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    if args.help:
        print(__doc__)
        return 0
    if args.list:
        named = {(r.table, r.function): r.tests for r in rows(args.root)}
        for table, functions in surface(args.root).items():
            for function in functions:
                print(table, function, *named.get((table, function), ["-"]))
        return 0
    bad = list(complaints(args.root))
    for line in bad:
        print(line)
    count = sum(len(f) for f in surface(args.root).values())
    print(f"functions: {count}, complaints: {len(bad)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
