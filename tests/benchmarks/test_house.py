"""The measures of the code: what counts as a room, a circle, an upward import, a line of a function."""

from benchmarks.house import Code, arguments, circles, figures, functions, imports, rooms, sizes, upward


def graph(**files: str) -> dict[str, set[str]]:
    return imports(Code({f"top/{name.replace('__', '/')}.py": text for name, text in files.items()}).modules("top"))


def test_imports_are_found_in_functions_and_by_any_spelling() -> None:
    found = graph(a="def f():\n    from top import b", b="import top.c", c="from top.d import name", d="")
    assert found == {"top.a": {"top.b"}, "top.b": {"top.c"}, "top.c": {"top.d"}, "top.d": set()}


def test_imports_inside_a_package_are_no_arrows_and_several_from_one_are_one() -> None:
    inside = graph(one__a="from top.one import b\nfrom top import two", one__b="from top import two", two="")
    assert rooms(inside) == {"top.one": {"top.two"}, "top.two": set()}


def test_modules_that_import_each_other_are_one_circle() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": set()}) == [{"a", "b", "c"}]


def test_an_import_against_the_layers_is_upward_also_where_the_file_lay_elsewhere() -> None:
    found = {"orchestrator.ledger.x": {"orchestrator.search.y"}, "orchestrator.search.y": {"orchestrator.ledger.x"}}
    assert upward(found, {}) == [("orchestrator.ledger.x", "orchestrator.search.y")]
    flat = {"orchestrator.x": {"orchestrator.y"}, "orchestrator.y": {"orchestrator.x"}}
    assert upward(flat, {"orchestrator.x": "orchestrator.spec.x", "orchestrator.y": "orchestrator.ledger.y"}) == [
        ("orchestrator.x", "orchestrator.y")
    ]


def test_a_function_has_the_lines_of_its_code_alone() -> None:
    text = 'def f(self, a, *, b: int):\n    """Say.\n\n    More."""\n\n    # why\n    return [\n        a,\n    ]\n'
    [(node, lines)] = functions({"m": text})
    assert lines == 4
    assert [one.arg for one in arguments(node)] == ["a", "b"]


def test_sizes_are_the_median_the_ninth_decile_and_the_greatest() -> None:
    assert sizes(range(1, 11)) == "5 / 9 / 10"


def test_nothing_in_this_repository_runs_upward_or_in_circles() -> None:
    here = figures(None)
    assert (here["upward imports"], here["circles of rooms"], here["circles of modules"]) == ("0", "0", "0")
    assert here["arguments with a type"] == "100.0%"
