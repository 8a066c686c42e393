"""``backstock advise``: release, keep or scrap, from two files, without a server. The workbook says what to do with each part and why,
what it comes to in all, and what was odd in the files."""

from __future__ import annotations

import contextlib
import csv
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketplace.kit.errors import DomainError, invalid

if TYPE_CHECKING:
    from marketplace.imports.demand_lines import DemandTable, StockTable, Told
    from marketplace.planning.advice import Policy
    from marketplace.planning.analyst import Result

MOST_SHEET_ROWS = 1_048_575
_RISKS = (
    "Partners tend to fail and to need parts together; leave-one-holder-out covers one of them.",
    "How fast partners use units up is an assumption until their own use is known: see the column Steady.",
    "Demand is reckoned unit by unit; parts that are asked for several at a time are covered less well than it says.",
    "What a partner pays under which terms is an assumption until it is agreed, and that one buys whatever is released.",
)
_ADVICE = (
    "Part number", "Description", "Stock", "Keep", "Release", "Terms", "Minimum to keep", "Scrap", "Cash at once", "Worth", "Against scrapping",
    "Against keeping all", "Coverage before", "Coverage after", "Coverage if demand is at the upper end", "Class", "Rate a year", "Rate from", "Rate to", "Falls a year",
    "Years of stock", "Tied up at cost", "Price needed to release", "Steady", "Reckoned", "Model", "Why", "To look at",
)  # fmt: skip


class Share(float):
    """A number that is shown as a percentage."""


def advise(
    stock: Annotated[Path, typer.Option(help="Stock: part number, quantity, unit cost, and what else is known (CSV or XLSX).")],
    demand: Annotated[Path, typer.Option(help="Demand: part number and a column for each month, or a line for each demand (CSV or XLSX).")],
    out: Annotated[Path, typer.Option(help="The workbook to write (.xlsx), or .csv for three files.")],
    horizon: Annotated[float, typer.Option(help="Years that demand has to be covered, up to 100.")] = 20.0,
    hazard: Annotated[float, typer.Option(help="Share of the units with partners that they use up a year: 0.1 is 10 %.")] = 0.1,
    interest: Annotated[float, typer.Option(help="A year: 0.08 is 8 %.")] = 0.08,
    value_times: Annotated[float, typer.Option(help="What a missing unit costs, in unit costs, where the file does not say.")] = 3.0,
    price_share: Annotated[float, typer.Option(help="What a partner pays, as a share of the unit cost, where the file does not say.")] = 0.6,
    terms: Annotated[list[str] | None, typer.Option(help="Terms to release under, several times (default: access-first, standard-buy-back, revenue-now).")] = None,
    renewed: Annotated[bool, typer.Option("--renewed", help="Take rights as renewed to the horizon; otherwise they end as the terms say.")] = False,
    exact: Annotated[int, typer.Option(min=0, max=10_000, help="So many of the parts with most money are decided by the exact programme.")] = 50,
    cash_target: Annotated[float | None, typer.Option(help="Also shows the best choice that brings so much at once.")] = None,
) -> None:  # fmt: skip
    """Advises on each part of a stock file: how many to keep, to release under which terms, and to scrap, with the money and the reason.

    No server and no database. A stock file may also have columns for Protected, Partner price, Scrap value, Shortage cost, Use hazard,
    Criticality (ordinary, important or vital), Volume and Replaced by. Nothing that cannot be read is guessed: it is in the last sheet."""
    from marketplace.demo.run import Bar
    from marketplace.planning.advice import Policy
    from marketplace.planning.clauses import USUAL

    _check_target(out)
    policy = Policy(
        horizon=horizon, hazard=hazard, interest=interest, value_times=value_times, price_share=price_share, renewed=renewed, exact_parts=exact,
        presets=tuple(terms) if terms else USUAL,
    )  # fmt: skip
    policy.check()
    bar = Bar()
    held, asked, told, result = run(stock, demand, policy, bar)
    sheets = [
        ("Advice", _ADVICE, _advice_rows(held, result, bar)),
        ("Totals", ("What", "Value", "", "", "", "", ""), list(_total_rows(result, asked, cash_target, bar))),
        ("Odd in the input", ("File", "Row", "Part number", "What"), odd := list(_odd_rows(held, asked, told, result))),
    ]
    _write(out, sheets)
    totals = result.totals()
    typer.echo(
        f"{int(totals['advised']):,} of {int(totals['parts']):,} parts: keep {int(totals['keep']):,}, release {int(totals['release']):,}, "
        f"scrap {int(totals['scrap']):,} units; {totals['cash']:,.0f} at once, worth {totals['worth']:,.0f} against "
        f"{totals['worth_scrapped']:,.0f} from scrapping and {totals['worth_kept']:,.0f} from keeping all. Written: {out}"
    )
    if odd:
        where = "the last sheet" if out.suffix.lower() == ".xlsx" else f"{out.stem}-odd{out.suffix}"
        typer.echo(f"{len(odd) + told.more:,} odd things in the files: see {where}.")
    # What is about a whole file decides what all the rest is worth.
    for file, row, _, words in told.rows:
        if row == 0:
            typer.echo(f"  {file.capitalize()}: {words}")


def run(
    stock: Path, demand: Path, policy: Policy, progress: Callable[[str, int, int], None]
) -> tuple[StockTable, DemandTable, Told, Result]:
    """The files read, the advice given. Raises what readers and advisor raise, in words."""
    import numpy as np

    from marketplace.imports.demand_lines import Told, read_demand, read_stock
    from marketplace.planning import analyst

    told = Told()
    held = _read(stock, "stock", lambda header, rows: read_stock(header, rows, told), progress)
    if not held.numbers:
        raise invalid(
            "advise.stock",
            "No row of the stock file can be used: see that it has part numbers and whole quantities.",
            field="stock",
        )
    asked = _read(demand, "demand", lambda header, rows: read_demand(header, rows, told), progress)
    units = np.full((len(held.numbers), asked.units.shape[1]), np.nan)
    there = [(part, asked.keys[key]) for key, part in held.keys.items() if key in asked.keys]
    if there:
        mine, theirs = np.array(there).T
        units[mine] = asked.units[theirs]
    strange = len(asked.keys) - len(there)
    if strange:
        told.add(
            "demand",
            0,
            "",
            f"{strange:,} {'number with demand is' if strange == 1 else 'numbers with demand are'} not in the stock file: no advice on them, and nothing is learnt from them.",
        )
    if not there:
        told.add(
            "demand",
            0,
            "",
            "No number of the stock file has demand: every rate is a mere assumption. Are the numbers written alike?",
        )
    table = {"number": held.numbers, "stock": held.stock, "cost": held.cost, "protected": held.protected, **held.more}
    table["criticality"] = np.floor(np.minimum(held.more["criticality"], 9))
    return (
        held,
        asked,
        told,
        analyst.advise(table, units, policy=policy, replaced_by=held.replaced_by, progress=progress),
    )


def _read(
    path: Path,
    what: str,
    use: Callable[[Sequence[str], Iterable[tuple[int, Sequence[str]]]], Any],
    progress: Callable[[str, int, int], None],
) -> Any:
    from marketplace.imports.demand_lines import is_month
    from marketplace.imports.files.tables import open_table, read_batches

    try:
        table = open_table(path, named=path.name, also_name=is_month if what == "demand" else None)
        size = max(path.stat().st_size, 1)

        def rows() -> Iterator[tuple[int, Sequence[str]]]:
            read = 0
            for batch in read_batches(path, table):
                for row in batch:
                    yield row.number, row.cells
                read = min(size - 1, read + sum(sum(map(len, row.cells)) + len(row.cells) for row in batch))
                progress(f"Reading {what}", read, size)
            progress(f"Reading {what}", size, size)

        return use(table.header, rows())
    except OSError as error:
        raise invalid(
            "advise.file", f"The {what} file {path} cannot be read: {error.strerror or error}.", field=what
        ) from None
    except DomainError as error:
        raise DomainError(error.kind, error.code, f"{path.name}: {error.message}", error.fields, error.extra) from None


def _check_target(out: Path) -> None:
    if out.suffix.lower() not in (".xlsx", ".csv"):
        raise invalid(
            "advise.out",
            f"'{out.name}' is neither .xlsx nor .csv. Name the file so that it ends in one of them.",
            field="out",
        )
    if not out.absolute().parent.is_dir():
        raise invalid("advise.out", f"There is no folder {out.absolute().parent} to write to.", field="out")


# -- what is written ----------------------------------------------------------------------------------------------


def _advice_rows(
    held: StockTable, result: Result, progress: Callable[[str, int, int], None]
) -> Iterator[Sequence[Any]]:
    a, c = result.advice, result.forecast.columns()
    for part, number in enumerate(held.numbers):
        release, place = int(a.release[part]), int(a.preset[part])
        terms = a.readings[place] if release else None
        on = bool(a.advised[part])
        yield (
            number, held.descriptions[part], int(a.parts.stock[part]), int(a.keep[part]), release, terms.title if terms else "",
            min(terms.floor, release) if terms else "", int(a.scrap[part]), *(float(x[part]) if on else "" for x in (a.cash, a.worth, a.worth - a.worth_scrapped, a.worth - a.worth_kept)),
            Share(a.before[part]), Share(a.after[part]), Share(a.cautious[part]), c["class"][part], float(c["rate"][part]), float(c["rate_low"][part]),
            float(c["rate_high"][part]), Share(c["decline"][part]), float(a.years_of_stock[part]), float(a.tied_up[part]), float(a.price_needed[part]) if on else "",
            ("yes" if a.steady[part] else "no: depends on how fast partners use units up") if release else "", "exactly" if a.exact[part] else "by marginal values" if on else "",
            c["model"][part], a.sentence(part), " ".join(_look(held, result, part)),
        )  # fmt: skip
        if part % 5_000 == 4_999 or part + 1 == len(held.numbers):
            progress("Writing", part + 1, len(held.numbers))


def _look(held: StockTable, result: Result, part: int) -> list[str]:
    told = result.forecast.odd.sentences(part)
    if part in held.replaced_by:
        told.append(f"Replaced by {held.numbers[held.replaced_by[part]]}: its demand counts there.")
    if result.forecast.rates.size[part] >= 2:
        told.append(f"Asked for {result.forecast.rates.size[part]:.1f} at a time: covered less well than it says.")
    return told


def _total_rows(
    result: Result, asked: DemandTable, cash_target: float | None, progress: Callable[[str, int, int], None]
) -> Iterator[Sequence[Any]]:
    from marketplace.imports.demand_lines import month_text
    from marketplace.planning import portfolio

    policy, totals = result.advice.policy, result.totals()
    for name, words in (
        ("parts", "Parts"), ("advised", "Parts with advice"), ("tied_up", "Tied up at cost"), ("keep", "Units to keep"), ("release", "Units to release"),
        ("scrap", "Units to scrap"), ("cash", "Cash at once"), ("worth", "Worth over the horizon"), ("worth_scrapped", "Worth of scrapping all"), ("worth_kept", "Worth of keeping all"),
    ):  # fmt: skip
        yield words, totals[name]
    if asked.first_month:
        yield (
            "Demand from",
            month_text(asked.first_month),
            "to",
            month_text(asked.first_month + asked.units.shape[1] - 1),
        )
    yield ()
    yield ("Assumed",)
    for words, value in (
        ("Horizon, years", policy.horizon), ("Interest a year", Share(policy.interest)), ("Obsolescence a year", Share(policy.obsolescence)), ("Used up by partners a year", Share(policy.hazard)),
        ("A missing unit costs, in unit costs", policy.value_times), ("A partner pays, of the unit cost", Share(policy.price_share)),
        *((f"... of that under {r.title}", Share(policy.paid_under.get(r.name, 0.85))) for r in result.advice.readings),
        ("Keeping a unit a year, of its cost", Share(policy.holding_share)), ("Scrapping brings, of the cost", Share(policy.scrap_share)), ("Calling a unit back, of the cost", Share(policy.call_share)),
        ("Rights renewed to the horizon", "yes" if policy.renewed else "no"),
    ):  # fmt: skip
        yield words, value
    yield ()
    yield "Frontier: cash at once", "coverage", "worth"
    given = portfolio.options(result.advice)
    for point in portfolio.frontier(given):
        yield point.cash, Share(point.coverage), point.worth
    if cash_target is not None:
        chosen = portfolio.choose(given, cash_target=cash_target)
        yield (
            f"Best choice that brings {cash_target:,.0f} at once",
            chosen.cash,
            chosen.coverage,
            chosen.worth,
            " ".join(chosen.short),
        )
    yield ()
    yield "Scenario", "keep", "release", "scrap", "cash at once", "worth", "coverage", "coverage of the advice above"
    for o in result.scenarios(progress):
        yield (
            o.scenario.name,
            o.keep,
            o.release,
            o.scrap,
            o.cash,
            o.worth,
            Share(o.coverage),
            Share(o.coverage_as_advised),
        )
    yield ()
    yield from _choice_rows(result)
    yield ()
    yield ("Risks",)
    for risk in _RISKS:
        yield (risk,)


def _choice_rows(result: Result) -> Iterator[Sequence[Any]]:
    from marketplace.planning.choosing import WORDS

    choice = result.forecast.choice
    if choice.note:
        yield "Models of demand", choice.note
        return
    yield (
        f"Models of demand, tried on the last {choice.held_out} months",
        "class",
        "parts",
        "forecast over asked for",
        "pinball loss",
        "95 % held",
        "chosen",
    )
    yield (
        "Doubt about rates widened by",
        1 / choice.widened,
        "so that the 95 % quantiles of the chosen models held",
        Share(choice.held),
    )
    for s in choice.scores:
        bias = "" if math.isnan(s.bias) else round(s.bias, 4)
        yield (
            WORDS[s.model],
            s.demand_class.words if s.demand_class is not None else "all",
            s.parts,
            bias,
            s.pinball,
            s.held[-1],
            "yes" if s.chosen else "",
        )


def _odd_rows(held: StockTable, asked: DemandTable, told: Told, result: Result) -> Iterator[Sequence[Any]]:
    yield from told.rows
    if told.more:
        yield "", "", "", f"{told.more:,} more like these."
    keys = {part: key for key, part in held.keys.items()}
    for part, number in enumerate(held.numbers):
        for words in result.forecast.odd.sentences(part):
            yield "demand" if keys[part] in asked.keys else "stock", "", number, words


def _write(out: Path, sheets: Sequence[tuple[str, Sequence[str], Iterable[Sequence[Any]]]]) -> None:
    """Written beside the target and then put in its place: a run that breaks off leaves no half a workbook."""
    made: list[tuple[str, Path]] = []
    try:
        if out.suffix.lower() == ".xlsx":
            made.append((_scratch(out), out))
            _workbook(made[0][0], sheets)
        else:
            for number, (name, header, rows) in enumerate(sheets):
                target = (
                    out
                    if number == 0
                    else out.with_name(f"{out.stem}-{'totals' if number == 1 else 'odd'}{out.suffix}")
                )
                made.append((_scratch(target), target))
                _csv(made[-1][0], header if name != "Totals" else [], rows)
        for scratch, target in made:
            Path(scratch).replace(target)
    except OSError as error:
        raise invalid("advise.out", f"{out} cannot be written: {error.strerror or error}.", field="out") from None
    finally:
        for scratch, _ in made:
            with contextlib.suppress(OSError):
                Path(scratch).unlink(missing_ok=True)


def _scratch(target: Path) -> str:
    handle, name = tempfile.mkstemp(dir=target.absolute().parent, prefix=f".{target.stem}-", suffix=target.suffix)
    os.close(handle)
    mask = os.umask(0)
    os.umask(mask)
    Path(name).chmod(0o666 & ~mask)
    return name


def _csv(path: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    from marketplace.kit.exports import BOM, safe_cell

    with Path(path).open("w", encoding="utf-8", newline="") as file:
        file.write(BOM)
        writer = csv.writer(file, lineterminator="\r\n")
        if header:
            writer.writerow(header)
        for row in rows:
            writer.writerow([_plain(cell) if isinstance(cell, float) else safe_cell(cell) for cell in row])


def _plain(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) and abs(value) < 1 else f"{value:.2f}" if math.isfinite(value) else ""


def _workbook(path: str, sheets: Sequence[tuple[str, Sequence[str], Iterable[Sequence[Any]]]]) -> None:
    import xlsxwriter

    book = xlsxwriter.Workbook(path, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties({"title": f"Advice, {datetime.now(UTC).date().isoformat()}"})
    bold = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
    share, money, count = (book.add_format({"num_format": f}) for f in ("0.0%", "#,##0.00", "#,##0"))
    for name, header, rows in sheets:
        sheet = book.add_worksheet(name)
        table = name != "Totals"
        line = 0
        for column, (text, wide) in enumerate(zip(header, _widths(name, header), strict=True)):
            sheet.set_column(column, column, wide)
            if table:
                sheet.write_string(0, column, text, bold)
        line = 1 if table else 0
        for row in rows:
            if line > MOST_SHEET_ROWS:
                raise invalid(
                    "advise.out",
                    f"A sheet holds {MOST_SHEET_ROWS:,} rows and these are more. Write to a .csv file.",
                    field="out",
                )
            for column, value in enumerate(row):
                if isinstance(value, bool) or value is None or value == "":
                    continue
                if isinstance(value, int):
                    sheet.write_number(line, column, value, count)
                elif isinstance(value, float):
                    if math.isfinite(value):
                        sheet.write_number(line, column, value, share if isinstance(value, Share) else money)
                else:
                    sheet.write_string(
                        line, column, str(value), bold if not table and column == 0 and len(row) == 1 else None
                    )
            line += 1
        if table:
            sheet.freeze_panes(1, 1 if name == "Advice" else 0)
            sheet.autofilter(0, 0, max(line - 1, 1), len(header) - 1)
    book.close()


def _widths(name: str, header: Sequence[str]) -> list[int]:
    known = {
        "Part number": 20,
        "Description": 30,
        "Terms": 20,
        "Why": 110,
        "To look at": 70,
        "What": 90,
        "Model": 26,
        "Class": 16,
        "File": 10,
    }
    if name == "Totals":
        return [44, *([16] * (len(header) - 1))]
    return [known.get(text, 12) for text in header]
