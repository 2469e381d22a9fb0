"""How RIOT's shell makes words of a line (sys/shell/shell.c, shell_handle_input_line)."""

from __future__ import annotations

__all__ = ["words_of"]

_BLANK, _PLAIN = "", "plain"


def words_of(line: str) -> list[str] | None:
    """The words; None: "shell: incorrect quoting".

    Words end at spaces and tabs. Quotes of either kind keep blanks together, a backslash takes the
    next character as it is, inside quotes too. The line ends at its first NUL.
    """
    words: list[str] = []
    state, escaped = _BLANK, False
    for each in line.partition("\0")[0]:
        if escaped:
            words[-1] += each
            escaped = False
            continue
        if state in (_BLANK, _PLAIN):
            if each in " \t":
                state = _BLANK
                continue
            if state == _BLANK:
                words.append("")
                state = _PLAIN
            if each in "'\"":
                state = each
                continue
        elif each == state:  # the quote that opened it
            state = _PLAIN
            continue
        if each == "\\":
            escaped = True
        else:
            words[-1] += each
    return words if state in (_BLANK, _PLAIN) and not escaped else None
