"""What a stock file can say about a line, and the names other systems give it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a field's cells must be."""

    TEXT = "text"
    QUANTITY = "quantity"
    """A whole number of base units, 0 or more."""
    AMOUNT = "amount"
    DATE = "date"
    FLAG = "flag"
    CONDITION = "condition"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a stock line. ``names`` are normalised headers (letters and digits only)."""

    name: str
    label: str
    kind: Kind
    names: tuple[str, ...]
    required: bool = False
    unlike: tuple[str, ...] = ()
    """What a longer header must not have in it: 'Safety stock' is no stock."""


def heading(text: str) -> str:
    """A header without case, blanks and punctuation: 'Part No.' and 'part_no' are one."""
    return re.sub(r"[^a-z0-9]", "", text.casefold().replace("#", "no").replace("%", "pct"))


def field_of(name: str, label: str, kind: Kind, names: str, *, required: bool = False, unlike: str = "") -> Field:
    """A field with the names that other systems give it, beside its own name and label."""
    known = tuple(dict.fromkeys([heading(name), heading(label), *names.split()]))
    return Field(name, label, kind, known, required, tuple(unlike.split()))


NOT_ON_THE_SHELF = (
    "safety reorder minimum maximum minqty maxqty target blocked inspection transit returns reserved committed allocated onorder backorder "
    "ordered value price cost amount days months sicherheit melde mindest hchst sperrbest gesperrt prfung transfer retour reserviert bestell "
    "wert preis reichweite"
)
"""Parts of headings (normalised) of quantities that are not what stands free on the shelf, and of amounts."""


FIELDS: Mapping[str, Field] = {
    field.name: field
    for field in (
        field_of("maker", "Maker", Kind.TEXT, "manufacturer mfr mfg mfgr brand make oem hersteller cage vendor supplier"),
        field_of(
            "number", "Part number", Kind.TEXT,
            "partnumber partno partnum part pn material materialno materialnumber item itemno itemnumber itemid "
            "itemcode sku nsn niin stocknumber stockno article artikel articleno articlenumber artno teilenummer teilenr artikelnummer artikelnr materialnummer materialnr sachnummer ersatzteilnummer nummer "
            "mfrpartnumber mpn productcode product catalogno oempartnumber",
            required=True,
        ),
        field_of(
            "description", "Description", Kind.TEXT,
            "desc itemname name itemdescription partdescription materialdescription productname title text "
            "bezeichnung nomenclature benennung beschreibung artikelbezeichnung materialkurztext kurztext materialbezeichnung materialshorttext",
        ),
        field_of(
            "quantity", "Quantity", Kind.QUANTITY,
            "qty qtyonhand onhand quantityonhand qoh stock stockqty available availableqty balance unrestricted "
            "bestand menge anzahl lagerbestand stck count soh instock units freiverwendbar freiverwendbarerbestand freiverfgbar verfgbar "
            "unrestricteduse unrestrictedstock unrestrictedusestock",
            required=True, unlike=NOT_ON_THE_SHELF,
        ),
        field_of("uom", "Unit of measure", Kind.TEXT, "unit unitofmeasure um ui unitofissue baseunit baseuom einheit mengeneinheit basiseinheit basismengeneinheit bme bun me measure"),
        field_of(
            "site", "Site", Kind.TEXT,
            "warehouse plant location whse wh facility branch depot store standort werk storagelocation lager lagerort ort station",
        ),
        field_of("bin", "Bin", Kind.TEXT, "binlocation binno shelf rack storagebin lagerplatz lagerfach fach regal platz slot aisle position"),
        field_of("condition", "Condition", Kind.CONDITION, "cond conditioncode state grade zustand itemcondition"),
        field_of("serial", "Serial", Kind.TEXT, "serialno serialnumber sn sno serialnr seriennummer"),
        field_of("batch", "Batch", Kind.TEXT, "batchno batchnumber lot lotno lotnumber heatno heatnumber charge charg"),
        field_of(
            "serial_or_batch", "Serial or batch", Kind.TEXT,
            "serialbatch serialorlot seriallot lotorserial lotserial batchorserial batchserial serialnoorbatch "
            "serialnumberorbatch serialbatchno serialbatchnumber",
        ),
        field_of("expiry", "Expiry", Kind.DATE, "expires expiryon expirydate expirationdate expdate shelflife bestbefore useby sled"),
        field_of(
            "unit_cost", "Unit cost", Kind.AMOUNT,
            "cost stdcost standardcost avgcost averagecost movingaverage map unitvalue bookvalue acquisitionvalue "
            "standardprice purchaseprice einstandspreis standardpreis gleitenderpreis gleitenderdurchschnittspreis gldpreis movingprice movingaverageprice "
            "stckkosten stueckkosten selbstkosten herstellkosten einkaufspreis",
        ),
        field_of("list_price", "List price", Kind.AMOUNT, "price unitprice listprice msrp salesprice sellingprice retailprice catalogprice preis listenpreis einzelpreis stckpreis preisjestck"),
        field_of(
            "last_issue_on", "Last issue date", Kind.DATE,
            "lastissue lastissuedate lastissued lastusage lastused lastmovement lastmovementdate lastmvmt lastmoved lastmoveddate lastsale lastsold "
            "lastsaledate lastconsumption lastdemand letzterabgang letzteentnahme letztebewegung letzterverbrauch letzterverkauf",
        ),
        field_of("usage_12", "Usage 12 months", Kind.QUANTITY, "usage12 usage12m 12musage 12monthusage usage12months usage1y annualusage last12months demand12 ltm12"),
        field_of("usage_24", "Usage 24 months", Kind.QUANTITY, "usage24 usage24m 24musage 24monthusage usage24months usage2y last24months demand24"),
        field_of("usage_36", "Usage 36 months", Kind.QUANTITY, "usage36 usage36m 36musage 36monthusage usage36months usage3y last36months demand36"),
        field_of("weight_grams", "Weight (g)", Kind.QUANTITY, "weight weightg weightgrams grossweight netweight grams unitweight gewicht", unlike="kg kilo lb pound oz ounce"),
        field_of("package_quantity", "Package quantity", Kind.QUANTITY, "packageqty packqty packsize packquantity qup quantityperunitpack unitpack boxqty multiple"),
        field_of("protected", "Protected", Kind.FLAG, "protect donotrelease donotsell keep locked blocked critical insurancespare insurance geschtzt geschuetzt gesperrt"),
    )
}  # fmt: skip
"""All fields, in the order they are shown."""

ONE_OR_OTHER = "serial_or_batch"
"""The field of a column that has a serial number where the quantity is 1, and a batch where it is more."""
REQUIRED = tuple(name for name, field in FIELDS.items() if field.required)

CONDITIONS: Mapping[str, str] = {
    heading(word): condition
    for condition, words in {
        "new": "new|n|ne|factory new|brand new|fn|neu|a1",
        "new_old_stock": "new old stock|nos|ns|new surplus|unused|surplus new|new unused|lagerneu",
        "remanufactured": "remanufactured|reman|rebuilt|overhauled|oh|refurbished|refurb|rm|reconditioned|recon",
        "used_tested": "used and tested|used tested|serviceable|sv|used serviceable|tested|used good|inspected|ut|used working",
        "used": "used|u|as removed|ar|second hand|secondhand|pre owned|as is|gebraucht",
        "core": "core|unserviceable|repairable|rp|for repair|defective|exchange core|kern|c",
    }.items()
    for word in words.split("|")
}
"""How files write a condition (normalised by ``heading``) -> our word for it."""

CONDITION_NAMES = tuple(dict.fromkeys(CONDITIONS.values()))
"""Our conditions, best first."""

TRUE_WORDS = frozenset({"yes", "y", "true", "t", "1", "x", "ja", "on"})
FALSE_WORDS = frozenset({"no", "n", "false", "f", "0", "", "nein", "off"})
