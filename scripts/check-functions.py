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
it names does not exist or does not call the function, itself or through what it
uses; and, for a function that is not supported, when none of them looks for that
answer.  Of an object that nothing can create ("no object: CREATOR") the tests are
those of its creator.  One line each; exit status 1 if there was any.
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
    answer: str                         # one of ANSWERS
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
    text = "".join(bare((folder / h).read_text()) for h in ("ndspi.h", "nd_vrdma.h"))
    macros = nd_macros(text)
    found: Surface = {}
    for name, body in re.findall(r"typedef struct (I(?:ND2|Vrdma)\w+)Vtbl \{(.*?)\} \w+;", text, re.S):
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

ANSWERS = re.compile(r"yes|NOT_SUPPORTED: .+|no object: \w+")


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
    r"(?P<data_body>[^;]*;)"
    r"|^(?P<head>[A-Za-z_][^;{}=]*?\b(?P<function>\w+)\((?:[^;{}]*)\)\s*)^\{(?P<body>.*?)^\}",
    re.S | re.M)


# A program is the text of its file and of all that its tests may go through.  What is
# found in texts is kept by them: the next tree that is looked at has most of the same.
Program = Tuple[str, ...]


@functools.lru_cache(maxsize=None)
def definitions(text: str) -> Dict[str, Definition]:
    """Every test, function, table and macro of a file by name."""
    found: Dict[str, Definition] = {}
    for m in DEFINITION.finditer(bare(text)):
        name = m["test"] or m["macro"] or m["data"] or m["function"]
        part = (m["test_body"] or m["macro_body"] or m["data_body"]
                or (m["head"] or "") + (m["body"] or ""))
        old = found.get(name)
        if old:                         # one of several under #if
            part = old.text + part
        found[name] = Definition(part, set(re.findall(r"\w+", part)))
    return found


@functools.lru_cache(maxsize=None)
def text_of(path: Path) -> str:
    return path.read_text()


@functools.lru_cache(maxsize=None)
def program(path: Path) -> Program:
    tests = path.parent.parent
    mine = [tests / path.parent.name / name
            for name in re.findall(r'#include "([\w./]+)"', text_of(path))]
    shared = sorted((tests / "lib").glob("*.[ch]"))
    return tuple(map(text_of, [path, *filter(Path.exists, mine), *shared]))


REGISTERED = re.compile(
    r"(?P<made>\w+) = (?:add_case|tcase_create)\("
    r"|tcase_add_\w*fixture\((?P<fixed>\w+),\s*(?P<before>\w+),\s*(?P<after>\w+)\)"
    r"|tcase_add_\w*test\((?P<case>\w+),\s*(?P<test>\w+)")


@functools.lru_cache(maxsize=None)
def registered(text: str) -> Dict[str, List[str]]:
    """The tests that the program runs, with the fixtures around each."""
    around: Dict[str, List[str]] = {}
    found: Dict[str, List[str]] = {}
    for m in REGISTERED.finditer(bare(text)):
        if m["made"]:
            around[m["made"]] = []
        elif m["fixed"]:
            around.setdefault(m["fixed"], []).extend([m["before"], m["after"]])
        else:
            found[m["test"]] = list(around.get(m["case"], []))
    return found


@functools.lru_cache(maxsize=None)
def known(prog: Program) -> Dict[str, Definition]:
    found: Dict[str, Definition] = {}
    for text in reversed(prog):
        found.update(definitions(text))
    return found


@functools.lru_cache(maxsize=None)
def reach(prog: Program, test: str) -> List[str]:
    """The text of a test, of its fixtures, and of everything that they use."""
    there = known(prog)
    seen: Set[str] = set()
    todo = [test] + [f for f in registered(prog[0]).get(test, []) if f in there]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += [w for w in there[name].words if w in there]
    return [there[name].text for name in sorted(seen)]


@functools.lru_cache(maxsize=None)
def whole(prog: Program) -> str:
    return "".join(map(bare, prog))


@functools.lru_cache(maxsize=None)
def types_of(text: str, name: str) -> Set[str]:
    """T of each `T *name` and `T *a, *name`."""
    return set(re.findall(r"\b(\w+)\s*\*\s*(?:\w+[^,;(){}]*,\s*\*\s*)*" + name + r"\b", text))


@functools.lru_cache(maxsize=None)
def calls(prog: Program, test: str, table: str, function: str, shared: bool) -> bool:
    """Does the test call that function of that table?

    Where several tables have a function of that name (shared), what it is called
    on must be declared with the right type: where the call is, or else anywhere
    in the file.  Where it is declared nowhere (a macro's argument), the test itself
    must name the type, or its identifier.
    """
    texts = reach(prog, test)
    if table in (ENTRY_POINTS, "NDK_ADAPTER"):
        return any(re.search(r"\b" + function + r"\(", text) for text in texts)
    use = re.compile(r"(\w+)\s*(?:->|\.)\s*(?:(?:lpVtbl|Dispatch)\s*->\s*)?"
                     + function + r"\s*\(")
    wanted = {table, table.removesuffix("_DISPATCH"), table + "Vtbl", "IID_" + table}
    unknown = False
    for text in texts:
        if function not in text:        # most; a regular expression is slower
            continue
        for name in use.findall(text):
            types = types_of(text, name) or types_of(whole(prog), name)
            if not shared or wanted & types:
                return True
            unknown |= not types
    return unknown and bool(wanted & definitions(prog[0])[test].words)


# ------------------------------------------------------------------- verdict

def check_tests(root: Path, row: Row, shared: bool) -> Iterator[str]:
    creator = row.answer.partition("no object: ")[2]
    called = creator or row.function
    if not row.tests:
        yield "no test"
        return
    reached: List[Tuple[Program, str]] = []
    for name in row.tests:
        file, _, test = name.partition(":")
        path = root / "tests" / file
        if not path.is_file() or test not in registered(text_of(path)):
            yield f"there is no test {name}"
        elif not calls(program(path), test, row.table, called, shared and not creator):
            yield f"{name} does not call {'it' if called == row.function else called}"
        else:
            reached.append((program(path), test))
    if row.answer.startswith("NOT_SUPPORTED") and reached and \
            not any("_NOT_SUPPORTED" in text for r in reached for text in reach(*r)):
        yield "no test looks for NOT_SUPPORTED"


def check_answer(row: Row, all_rows: List[Row]) -> Iterator[str]:
    if not ANSWERS.fullmatch(row.answer):
        yield "no \"yes\", \"NOT_SUPPORTED: why\" or \"no object: CREATOR\""
    creator = row.answer.partition("no object: ")[2]
    if creator and not any(r.function == creator and r.answer.startswith("NOT_SUPPORTED")
                           for r in all_rows):
        yield f"{creator} is supported"


def complaints(root: Path) -> Iterator[str]:
    there = surface(root)
    names = [f for functions in there.values() for f in functions]
    told: Set[Tuple[str, str]] = set()
    table_rows = list(rows(root))
    for row in table_rows:
        where = f"{TABLE}:{row.line}: {row.table} {row.function}: "
        if row.function not in there.get(row.table, []):
            yield where + "not in the headers"
            continue
        if (row.table, row.function) in told:
            yield where + "twice"
        told.add((row.table, row.function))
        for text in check_answer(row, table_rows):
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
