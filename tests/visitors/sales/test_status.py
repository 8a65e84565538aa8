from __future__ import annotations

import pytest

from facetraits.visitors.sales.reading import SalesFile, read_sales
from facetraits.visitors.sales.status import StatusReader, names_status
from tests.visitors.made_visits import BERLIN


def read(text: str) -> SalesFile:
    return read_sales(text.encode(), BERLIN)


def sold(file: SalesFile) -> dict[int, str]:
    """Line and amount of each sale."""
    return {sale.line: str(sale.amount) for sale in file.sales}


def test_lines_that_are_no_sales_are_left_out_and_listed() -> None:
    file = read(
        "Date,Status,Amount\n2026-07-01 10:05,Completed,5\n2026-07-01 10:06,Voided,6\n2026-07-01 10:07,Cancelled,7\n"
        "2026-07-01 10:08,Storno,7\n2026-07-01 10:09,Failed,7\n2026-07-01 10:09,Refunded,7\n"
    )

    assert sold(file) == {2: "5.00"}
    assert file.skipped == tuple(
        (line, f'no sale, Status: "{status}"')
        for line, status in enumerate(["Voided", "Cancelled", "Storno", "Failed", "Refunded"], start=3)
    )


@pytest.mark.parametrize(
    "words",
    [
        "Voided;Cancelled;CANCELED;Reversed;Failed;Declined;Rejected;Pending;Unpaid;Not paid;Draft;Refunded;No sale",
        "Storniert;Storno;Abgebrochen;Fehlgeschlagen;Abgelehnt;Ausstehend;Offen;Nicht bezahlt;Erstattet;Rückerstattet",
        "Annulé;Annulée;Échoué;Refusé;En attente;Impayée;Remboursé;Non payé",
        "Anulado;Cancelado;Fallido;Rechazado;Pendiente;Reembolsado;Devuelto;No pagado",
        "Annullato;Stornato;Fallito;Rifiutato;Non riuscito;In attesa;Rimborsato",
        "Cancelada;Anulada;Recusado;Falhou;Pendente;Reembolsada;Estornado;Não pago",
        "Geannuleerd;Mislukt;Geweigerd;In behandeling;Openstaand;Terugbetaald;Niet betaald",
        "Annulleret;Afvist;Mislykkedes;Afventer;Refunderet;Ikke betalt",
        "Annullert;Kansellert;Avvist;Mislyktes;Avventer;Refundert;Tilbakebetalt",
        "Makulerad;Avbruten;Nekad;Misslyckades;Väntar;Återbetald;Ej betald",
        "Peruutettu;Mitätöity;Epäonnistui;Hylätty;Odottaa;Palautettu;Ei maksettu",
        "Anulowano;Unieważniono;Odrzucono;Nieudana;Oczekuje;Zwrócono;Nieopłacone",
    ],
)
def test_words_of_each_language(words: str) -> None:
    reader = StatusReader("Status")

    assert [word for word in words.split(";") if reader.read(word) == "sale"] == []


@pytest.mark.parametrize(
    "words",
    [
        "Completed;Paid;OK;Success;Approved;Closed;Partially refunded;Not refunded;Non-refundable;Sale;Bank transfer",
        "Bezahlt;Abgeschlossen;Erfolgreich;Nicht storniert;Teilweise erstattet;Verkauf",
        "Payé;Terminé;Réussi;Partiellement remboursé;Vente",
        "Pagado;Completado;Venta;Pagato;Completato;Vendita;Pago;Concluído;Venda",
        "Betaald;Voltooid;Betalt;Gennemført;Fullført;Betald;Slutförd;Maksettu;Valmis;Zapłacono;Zakończone;Sprzedaż",
        ";-;1;yes;Card;Credit;Debit;Cash",
    ],
)
def test_words_of_sales(words: str) -> None:
    reader = StatusReader("Status")

    assert [word for word in words.split(";") if reader.read(word) != "sale"] == []


@pytest.mark.parametrize(
    "name", ["Fulfillment Status", "Customer type", "Card type", "Item", "Amount", "Delivery status"]
)
def test_other_columns_are_no_status(name: str) -> None:
    assert not names_status(name)
    assert sold(read(f"Date,{name},Total\n2026-07-01 10:05,pending,5\n")) == {2: "5.00"}


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("Voided", ["no", "yes"]),
        ("Storniert", ["", "ja"]),
        ("Cancelled at", ["", "2026-07-01 10:30"]),
        ("Annulé", ["0", "1"]),
        ("Paid", ["yes", "no"]),
        ("Bezahlt", ["Ja", "Nein"]),
    ],
)
def test_flags(name: str, cells: list[str]) -> None:
    lines = [f"2026-07-01 10:0{i},{cell},5\n" for i, cell in enumerate(cells)]

    assert sold(read(f"Date,{name},Total\n{''.join(lines)}")) == {2: "5.00"}


def test_several_columns_speak_of_a_line() -> None:
    file = read(
        "Date,Type,Status,Total\n2026-07-01 10:00,Sale,Completed,5\n2026-07-01 10:01,Sale,Declined,6\n"
        "2026-07-01 10:02,Refund,Failed,5\n"
    )

    assert sold(file) == {2: "5.00"}
    assert file.skipped[1] == (4, 'no sale, Type: "Refund" and Status: "Failed"')


# ------------------------------------------------------------------------------------------------------------ refunds


@pytest.mark.parametrize("amount", ["-4", "4"])
def test_refund_reduces_the_sale_with_its_receipt(amount: str) -> None:
    file = read(
        f"Receipt,Date,Type,Amount\n7,2026-07-01 10:00,Sale,10\n8,2026-07-01 10:05,Sale,3\n"
        f"7,2026-07-02 12:00,Refund,{amount}\n"
    )

    assert sold(file) == {2: "6.00", 3: "3.00"}
    assert file.skipped == ((4, "a refund, subtracted from the sale of line 2"),)


def test_refund_of_all_takes_the_sale_away() -> None:
    file = read("Receipt,Date,Amount\n7,2026-07-01 10:00,10\n8,2026-07-01 10:05,3\n7,2026-07-01 12:00,-10\n")

    assert sold(file) == {3: "3.00"}
    assert file.skipped == ((2, "refunded in line 4"), (4, "a refund of the sale of line 2"))


def test_refund_names_its_sale_in_a_column_of_its_own() -> None:
    file = read(
        "Receipt,Date,Original receipt,Amount\n7,2026-07-01 10:00,,10\n7,2026-07-02 10:00,,20\n"
        "9,2026-07-02 11:00,7,-5\n9,2026-07-02 11:30,1,-5\n"
    )

    assert sold(file) == {2: "10.00", 3: "15.00"}
    assert file.skipped == ((4, "a refund, subtracted from the sale of line 3"), (5, "a refund"))


def test_numbers_that_begin_anew_name_nobody() -> None:
    file = read(
        "Receipt,Date,Amount\n1,2026-07-01 10:00,10\n2,2026-07-01 11:00,10\n1,2026-07-02 10:00,20\n"
        "2,2026-07-02 12:00,-5\n"
    )

    assert sold(file) == {2: "10.00", 3: "10.00", 4: "20.00"}
    assert file.skipped == ((5, "a refund"),)


def test_void_that_takes_back_a_receipt() -> None:
    file = read(
        "Bon;Datum;Vorgang;Betrag\n7;01.07.2026 10:00;Verkauf;10\n7;01.07.2026 10:30;Storno;-10\n"
        "8;01.07.2026 11:00;Verkauf;1\n"
    )

    assert sold(file) == {4: "1.00"}


def test_article_that_was_voided_is_not_added() -> None:
    file = read("Bon;Datum;Status;Betrag\n7;01.07.2026 10:00;;10\n7;01.07.2026 10:00;storniert;4\n")

    assert sold(file) == {2: "10.00"}


def test_column_of_what_was_refunded() -> None:
    file = read(
        "Date,Status,Amount,Amount Refunded\n2026-07-01 10:00,Paid,10,0\n2026-07-01 10:01,Partially refunded,10,4\n"
        "2026-07-01 10:02,Paid,10,10.00\n"
    )

    assert sold(file) == {2: "10.00", 3: "6.00"}
    assert file.skipped == ((4, "refunded, Amount Refunded: 10.00"),)
