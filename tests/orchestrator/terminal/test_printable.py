"""Control codes that lie in files do not reach a terminal."""

import io

import pytest
from rich.table import Table
from rich.text import Text

from orchestrator.terminal.printable import PlainConsole, printable, say


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\nand a line", "plain\ttext\nand a line"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("title \x1b]0;mine\x07", "title \\x1b]0;mine\\x07"),
        ("one-byte \x9b2J", "one-byte \\x9b2J"),
        ("10 %\r20 %\r\ndone", "10 %\n20 %\ndone"),
        ("reversed \u202etxt.exe", "reversed \\u202etxt.exe"),
        ("umlauts äöü and 日本", "umlauts äöü and 日本"),
    ],
)
def test_control_codes_are_spelled_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_line_is_printed_in_any_encoding(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    say("a \x1b[2J line")
    say("a lone \udcff surrogate", error=True)
    out, err = capsysbinary.readouterr()
    assert (out, err) == (b"a \\x1b[2J line\n", b"a lone \\udcff surrogate\n")


def test_a_console_draws_its_own_colors_but_none_of_the_text() -> None:
    console = PlainConsole(file=io.StringIO(), force_terminal=True, color_system="standard", width=60)
    table = Table("name \x1b]0;head\x07", title="title \x1b[5m")
    table.add_row(Text("cell \x1b[2J\x9b3J", style="red"))
    console.print(table)
    console.print("a line \x1b[1A up")
    assert isinstance(console.file, io.StringIO)
    drawn = console.file.getvalue()
    assert "\x1b[31mcell" in drawn
    assert not any(code in drawn for code in ("\x1b[2J", "\x1b]", "\x1b[5m", "\x9b", "\x1b[1A", "\x07"))
    assert "up" in drawn
