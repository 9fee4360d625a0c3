"""Writes what an evaluation found for spreadsheets, papers and notebooks."""

import csv
import io
import math
import re
import unicodedata

from training.evaluation import Evaluation
from training.report.tables import Cell, Table, every

COLUMNS = (
    "kind",
    "task",
    "system",
    "against",
    "metric",
    "segment",
    "part",
    "questions",
    "mean",
    "low",
    "high",
    "p",
    "adjusted_p",
)
"""Of the CSV, one row for each measure and each difference."""
FORMULA = tuple("=+-@\t\r\n＝＋－＠'")
"""What begins a formula in one spreadsheet or another, and the mark that undoes it."""
LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "–": "--",
    "\N{MINUS SIGN}": "$-$",
    "*": "{*}",
    "[": "{[}",
    "]": "{]}",
}
MARKDOWN = re.compile(r"([\\`*_\[\]<>|~$&])")
"""What Markdown would take for more than a letter."""
PREAMBLE = """\
% Needs \\usepackage{booktabs,longtable} and lines of 17 cm: \\usepackage[margin=2cm]{geometry}.
% Names in scripts other than Latin need LuaLaTeX and a font that has them.
"""


def to_csv(evaluation: Evaluation) -> str:
    """Return all measures and differences as CSV, unrounded, empty where there is no figure.

    Text that a spreadsheet would take for a formula is led by an apostrophe (CWE-1236), and so is
    text that begins with one: dropping the first gives back what was.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="")
    writer.writeheader()
    for measure in evaluation.measures:
        writer.writerow(
            {
                "kind": "measure",
                "task": _text(measure.task),
                "system": _text(measure.system),
                "metric": _text(measure.metric),
                "segment": _text(measure.segment),
                "part": _text(measure.part),
                "questions": measure.questions,
                "mean": _figure(measure.mean),
                "low": _figure(measure.low),
                "high": _figure(measure.high),
            }
        )
    for difference in evaluation.differences:
        writer.writerow(
            {
                "kind": "difference",
                "task": _text(difference.task),
                "system": _text(difference.system),
                "against": _text(difference.against),
                "metric": _text(difference.metric),
                "mean": _figure(difference.mean),
                "low": _figure(difference.low),
                "high": _figure(difference.high),
                "p": _figure(difference.p),
                "adjusted_p": _figure(difference.adjusted),
            }
        )
    return out.getvalue()


def to_latex(evaluation: Evaluation) -> str:
    """Return the tables of the report for LaTeX, to be read in with ``\\input``."""
    tables = (_tabular(table, n) for n, table in enumerate(every(evaluation), 1))
    return "\n".join([PREAMBLE, *tables])


def to_markdown(table: Table) -> str:
    """Return a table of the report as Markdown, for notebooks; an interval is in brackets."""
    head = " | ".join(marked(name) for name in table.head)
    lines = [f"**{marked(table.caption)}**", "", f"| {head} |"]
    lines.append(f"|{' --- |'}{' ---: |' * (len(table.head) - 1)}")
    for row in table.rows:
        cells = [
            marked(cell.text) + (f" ({marked(cell.detail)})" if cell.detail else "") for cell in row
        ]
        if row[0].text == table.strong:
            cells[0] = f"**{cells[0]}**"
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def marked(text: str) -> str:
    """Return text as Markdown shows it, on one line, without what cannot be printed."""
    no_letter = ("Cc", "Cs", "Zl", "Zp")
    plain = "".join(c for c in text if unicodedata.category(c) not in no_letter)
    return MARKDOWN.sub(r"\\\1", plain)


def escaped(text: str) -> str:
    """Return text as LaTeX prints it, without what cannot be printed."""
    plain = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cs"))
    return "".join(LATEX.get(letter, letter) for letter in plain)


def _tabular(table: Table, number: int) -> str:
    head = " & ".join(rf"\textbf{{{escaped(name)}}}" for name in table.head)
    lines = [
        r"\begingroup\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\begin{{longtable}}{{@{{}}l{'r' * (len(table.head) - 1)}@{{}}}}",
        rf"\caption{{{escaped(table.caption)}}}\label{{tab:recsys-{number}}}\\",
        r"\toprule",
        rf"{head} \\",
        r"\midrule",
        r"\endhead",
        r"\bottomrule",
        r"\endfoot",
        *(line for row in table.rows for line in _lines(table, row)),
        r"\end{longtable}",
        r"\endgroup",
        "",
    ]
    return "\n".join(lines)


def _lines(table: Table, row: tuple[Cell, ...]) -> list[str]:
    """Return a row of figures, and one of their intervals that stays with it."""
    name, *figures = (escaped(cell.text) for cell in row)
    if row[0].text == table.strong:
        name = rf"\textbf{{{name}}}"
    lines = [" & ".join([name, *figures])]
    if any(cell.detail for cell in row):
        details = (escaped(cell.detail) for cell in row)
        lines.append(" & ".join(rf"{{\scriptsize {text}}}" if text else "" for text in details))
    return [rf"{line} \\{'' if line is lines[-1] else '*'}" for line in lines]


def _text(value: str) -> str:
    return f"'{value}" if value.startswith(FORMULA) else value


def _figure(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else repr(float(value))
