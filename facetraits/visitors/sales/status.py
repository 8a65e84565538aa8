"""Recognises lines that are not sales, by a status, a type or a flag, in all supported languages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from facetraits.visitors.sales.text import word_set, words_of
from facetraits.visitors.sales.times import UnreadableError, read_moment

# "refund": the line gives money back; "void": it was taken back itself, or takes another one back; "failed": nothing
# was paid, not yet or not at all; "sale": none of these is said.
Meaning = Literal["sale", "void", "failed", "refund"]


def _stems(words: str) -> re.Pattern[str]:
    """Matches words that begin so, as ``words_of`` spells them; one that ends in "=" has to be whole."""
    stems = (" ".join(words_of(stem)) + (r"\b" if stem.endswith("=") else "") for stem in words.split(","))
    return re.compile(rf"\b(?:{'|'.join(stems)})")


# In this order: English, German, French, Spanish and Portuguese, Italian, Dutch, Danish, Norwegian and Swedish,
# Finnish, Polish.
_VOID: Final = _stems(
    "void,cancel,kansel,annul,abort,revers,chargeback,deleted,storn,estorn,abgebroch,gelöscht,ungültig,supprim,anul,eliminad,geannul,"
    "verwijderd,afbrud,makuler,avbrut,avbrudt,slettet,raderad,perut,peruut,mitätö,keskeyt,anulow,uniewa,usunięt"
)
_FAILED: Final = _stems(
    "fail,declin,reject,denied,error,unsuccess,expired,invalid,fehlgeschlagen,fehler,abgelehnt,gescheitert,échou,échec,"
    "refus,rechaz,fallid,fallit,fracas,recusad,falhou,falha,negad,rifiut,respint,mislukt,geweiger,afgewezen,mislyk,misslyck,nekad,"
    "avvis,afvis,fejl,feilet,epäonn,hylä,hylka,odrzuc,nieud,nieprzy,błąd,"
    # Not paid yet.
    "pend,unpaid,draft,open=,overdue,in progress,processing,ausstehend,offen=,unbezahlt,entwurf,en attente,en cours,"
    "impay,brouillon,aguardando,por pagar,borrador,rascunho,in attesa,in sospeso,bozza,in behandeling,openstaand,"
    "onbetaald,concept=,afvent,ventende,avvent,vänta,ubetalt,obetald,kladde,utkast,odotta,maksamat,luonnos,oczekuj,"
    "nieopłac,w trakcie,"
    # Other movements of money.
    "payout,auszahlung,einlage=,entnahme=,cash in=,cash out=,withdrawal,training="
)
_REFUND: Final = _stems(
    "refund,return=,returned=,returns=,credit note,money back,rückerst,erstatt,gutschrift,retour,rückgabe,rückzahl,"
    "rembours,avoir=,reembols,devol,devuel,rimbors,reso=,restitu,nota di credito,nota de credito,terugbet,creditnota,"
    "retur,tilbagebet,tilbakebet,återbet,återköp,kreditnota,kreditno,palaut,hyvit,zwrot,zwroc,zwróc,korekta="
)
# Of a sale that was refunded in part the rest was still paid.
_IN_PART: Final = _stems("partial,partly,teil,partiel,parcial,parzial,gedeelt,delvis,delvist,osittain,osa,częśc")
_NEGATION: Final = _stems(
    "not=,no=,non=,nicht=,kein,pas=,niet=,geen=,ikke=,inte=,ej=,ei=,nie=,nao=,never=,without=,ohne="
)
_FIXED: Final[Mapping[str, Meaning]] = {"no sale": "failed", "non riuscito": "failed", "non riuscita": "failed"}
_POSSIBLE: Final = re.compile(r"\b[a-z]+able\b")  # "refundable" is not refunded
_PATTERNS: Final[Sequence[tuple[re.Pattern[str], Meaning]]] = (
    (_FAILED, "failed"),
    (_REFUND, "refund"),
    (_VOID, "void"),
)
_YES: Final = word_set("yes true y x 1 ja j oui si sim s tak t kylla kyllae wahr vrai verdadero vero waar sand sann")
_NO: Final = word_set("no false n 0 nein non nao nee nej nei ei nie falsch faux falso onwaar falsk")

_STATUS_WORDS: Final = word_set(
    "status state zustand statut etat estado estatus stato toestand tilstand tila stan outcome result ergebnis "
    "resultat resultado esito"
)
_TYPE_WORDS: Final = word_set(
    "type kind typ art vorgang vorgangsart buchungsart belegart tipo genre operation operacion operazione soort "
    "slag tyyppi laji rodzaj event transaktionsart"
)
_PAID_WORDS: Final = word_set(
    "paid completed closed bezahlt abgeschlossen paye pagado pagato pago betaald betalt betald maksettu zaplacono"
)
# Of the way to the customer, or of the customer.
_OTHER_MATTERS: Final = _stems(
    "fulfil,deliver,ship,liefer,versand,livr,envio,entrega,consegna,verzend,lever,toimit,dostaw,wysyl,customer,client,"
    "kunde,cliente,klant,kund,asiakas,klient,card,karte,payment method,payment type,zahlungsart,item,product,tax,"
    "mwst,tva,iva,btw,moms"
)


_NUMBER: Final = re.compile(r"[^a-zA-Z:]*\d[^a-zA-Z:/]*")
# A column with more different cells holds no status.
_MOST_VALUES: Final = 20


def names_status(name: str) -> bool:
    """Whether a column of that name says of each line whether it is a sale: "Payment status", "Type", "Voided"."""
    spaced = " ".join(words_of(name))
    words = set(spaced.split())
    if _OTHER_MATTERS.search(spaced):
        return False
    return bool(words & (_STATUS_WORDS | _TYPE_WORDS | _PAID_WORDS)) or _meaning(spaced) != "sale"


class StatusReader:
    """Says of the cells of one column what the line is; each different cell is read once.

    Args:
        name: of the column.
    """

    def __init__(self, name: str) -> None:
        words = words_of(name)
        self._is_kind = not set(words) & _STATUS_WORDS
        self._flag: Meaning = "sale" if set(words) & (_STATUS_WORDS | _TYPE_WORDS) else _meaning(" ".join(words))
        self._is_paid = bool(set(words) & _PAID_WORDS)
        self._known: dict[str, Meaning] = {}

    def read(self, cell: str) -> Meaning:
        """What the line is.

        A status such as "Refunded" is of the sale itself, which is void; a kind such as "Refund" is of a line that
        gives money back.
        """
        if cell not in self._known:
            self._known[cell] = self._read(cell)
        return self._known[cell]

    def _read(self, cell: str) -> Meaning:
        spaced = " ".join(words_of(cell))
        if self._flag != "sale" and (spaced in _YES or _is_time(cell)):
            return "void"
        if self._is_paid and spaced in _NO:
            return "failed"
        if spaced in _YES or spaced in _NO:
            return "sale"
        meaning = _meaning(spaced)
        return "void" if meaning == "refund" and not self._is_kind else meaning


def combined_meaning(one: Meaning, other: Meaning) -> Meaning:
    """Combines the meaning of two columns; a void refund gives nothing back."""
    said = {one, other} - {"sale"}
    return "failed" if len(said) > 1 else next(iter(said), "sale")


def names_refund(name: str) -> bool:
    """Whether the name of a column speaks of refunds: "Refunded amount"."""
    return _meaning(" ".join(words_of(name))) == "refund"


def _meaning(spaced: str) -> Meaning:
    if spaced in _FIXED:
        return _FIXED[spaced]
    found: Meaning = "sale"
    certain = _POSSIBLE.sub("", spaced)
    for pattern, meaning in _PATTERNS:
        if pattern.search(certain):
            found = meaning
            break
    if _NEGATION.search(spaced):
        # "Not refunded" is a sale, "not paid" is none.
        return "sale" if found != "sale" or spaced != certain or len(spaced.split()) == 1 else "failed"
    return "sale" if found in ("refund", "void") and _IN_PART.search(spaced) else found


def _is_time(cell: str) -> bool:
    try:
        return read_moment(cell).day is not None
    except UnreadableError:
        return False


def status_columns(header: Sequence[str], taken: Iterable[int], cells: Sequence[Sequence[str]]) -> tuple[int, ...]:
    """Places of the columns that say whether a line is a sale.

    Args:
        header: names of the columns.
        taken: places of columns that hold something else.
        cells: of each column those that are not empty, of the first lines.
    """
    used = set(taken)
    return tuple(
        place
        for place, name in enumerate(header)
        if place not in used
        and names_status(name)
        and len(set(cells[place])) <= _MOST_VALUES
        and not any(_is_number(cell) for cell in cells[place])
        and not (set(words_of(name)) & _PAID_WORDS and any(map(_is_time, cells[place])))
    )


def _is_number(cell: str) -> bool:
    """Of an amount or a number of something; flags are 0 and 1."""
    return cell not in ("0", "1") and _NUMBER.fullmatch(cell) is not None
