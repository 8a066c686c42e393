"""Kinds of file that the wizard takes beside stock, what each can say, and which kind a header is of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from marketplace.imports.columns import Why, match_columns
from marketplace.imports.fields import FIELDS, Field, Kind, field_of, heading
from marketplace.kit.errors import invalid

_MAKER = field_of("maker", "Maker", Kind.TEXT, "manufacturer mfr mfg mfgr brand make oem hersteller cage")
_NUMBER = field_of(
    "number", "Part number", Kind.TEXT,
    "partnumber partno partnum part pn ipn material materialno materialnumber item itemno itemnumber itemid itemcode sku nsn "
    "niin stocknumber article artikel articleno articlenumber artno teilenummer teilenr artikelnummer artikelnr materialnummer materialnr sachnummer ersatzteilnummer nummer mfrpartnumber mpn productcode product oempartnumber",
    required=True,
)  # fmt: skip
_PRICE = "price unitprice listprice msrp salesprice sellingprice retailprice catalogprice newprice preis listenpreis"
_CURRENCY = field_of("currency", "Currency", Kind.TEXT, "cur curr ccy waehrung pricecurrency currencycode")
_HELD = field_of("number", _NUMBER.label, Kind.TEXT, " ".join(_NUMBER.names))
_SERIAL = field_of("serial", "Serial", Kind.TEXT, "serialno serialnumber sn sno serialnr seriennummer")
_WHERE = field_of(
    "site",
    "Site",
    Kind.TEXT,
    "warehouse plant location whse wh facility branch depot store storagelocation standort lager werk station sitecode",
)


def _fields(*found: Field) -> Mapping[str, Field]:
    return {field.name: field for field in found}


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of file. ``verb``: what whoever brings it in must be allowed to do beside importing."""

    name: str
    label: str
    fields: Mapping[str, Field]
    verb: str
    about: str
    """What landing does, in a sentence."""
    tells: frozenset[str] = frozenset()
    """Fields of which one must be there by its name before a file is taken for one of this kind by itself; none: no such rule."""


SHAPES: Mapping[str, Shape] = {
    shape.name: shape
    for shape in (
        Shape("stock", "Stock", FIELDS, "stock.import", "What stands on the shelves of your sites."),
        Shape(
            "supersessions", "Supersessions and alternates",
            _fields(
                _MAKER,
                field_of("number", "Part number", Kind.TEXT, "frompart oldpart oldnumber oldpartnumber oldpartno old supersededpart supersedednumber from " + " ".join(_NUMBER.names), required=True),
                field_of(
                    "other", "New or other number", Kind.TEXT,
                    "topart newpart newnumber newpartnumber newpartno new replacedby supersededby successor replacement replacementpart "
                    "replacementnumber alternate alternatepart alternatenumber alternatepartnumber interchange to nachfolger ersatz",
                    required=True,
                ),
                field_of("relation", "Relation", Kind.TEXT, "type relationtype kind art linktype"),
                field_of("effective_on", "From when", Kind.DATE, "effectiveon effective effectivedate effectivefrom date validfrom since gueltigab"),
                field_of("note", "Note", Kind.TEXT, "remark remarks comment comments reason bemerkung"),
            ),
            "parts.write", "Which number replaces which, and which may stand in for which.",
        ),
        Shape(
            "prices", "Prices",
            _fields(
                _MAKER, _NUMBER,
                field_of("list_price", "List price", Kind.AMOUNT, _PRICE, required=True),
                _CURRENCY,
                field_of("valid_from", "Valid from", Kind.DATE, "validfrom effectivefrom effectivedate effective from pricedate date gueltigab validon"),
            ),
            "parts.write", "List prices of your parts, also of days to come.",
        ),
        Shape(
            "sites", "Sites",
            _fields(
                field_of("code", "Site code", Kind.TEXT, "site sitecode sitenumber siteno siteid warehouse warehousecode warehousenumber plant plantcode branch branchcode depot depotcode location locationcode locationid werk lager", required=True),
                field_of("name", "Name", Kind.TEXT, "sitename warehousename plantname branchname depotname locationname stationname description bezeichnung", required=True),
                field_of("place", "City", Kind.TEXT, "city town place ort stadt municipality"),
                field_of("region", "State or region", Kind.TEXT, "state region province county bundesland stateprovince"),
                field_of("country", "Country", Kind.TEXT, "countrycode land nation"),
                field_of("address", "Address", Kind.TEXT, "street streetaddress addressline addressline1 strasse anschrift"),
                field_of("timezone", "Time zone", Kind.TEXT, "tz timezonename zeitzone"),
                field_of("lat", "Latitude", Kind.TEXT, "latitude breite"),
                field_of("lon", "Longitude", Kind.TEXT, "lng long longitude laenge"),
                field_of("counter_phone", "Counter phone", Kind.TEXT, "phone telephone tel counter telefon"),
                field_of("after_hours_phone", "After-hours phone", Kind.TEXT, "afterhours emergencyphone nightphone"),
            ),
            "company.manage", "Your company's sites.",
        ),
        Shape(
            "parts", "Parts",
            _fields(
                _MAKER, _NUMBER,
                field_of("description", "Description", Kind.TEXT, "desc itemname name itemdescription partdescription materialdescription productname commonname title text bezeichnung nomenclature"),
                field_of("class", "Class", Kind.TEXT, "partclass classcode supplyclass fsc psc materialgroup productgroup commodity commoditycode warengruppe category"),
                field_of("uom", "Unit of measure", Kind.TEXT, "unit units unitofmeasure um ui unitofissue baseunit baseuom einheit measure"),
                field_of("list_price", "List price", Kind.AMOUNT, _PRICE),
                _CURRENCY,
                field_of("weight_grams", "Weight (g)", Kind.QUANTITY, "weight weightg weightgrams grossweight netweight grams unitweight gewicht gewichtg", unlike="kg kilo lb pound oz ounce"),
                field_of("weight_kg", "Weight (kg)", Kind.AMOUNT, "weightkg kg kilograms grossweightkg netweightkg gewichtkg bruttogewichtkg nettogewichtkg"),
                field_of("criticality", "Criticality", Kind.TEXT, "criticalityclass criticalitycode vedclass ved criticalitylevel"),
                field_of("export_control", "Export control", Kind.TEXT, "exportcontrolled exportclassification eccn exportcode exportcontrolclass exportcontrolcode ausfuhrliste alnumber demilcode"),
            ),
            "parts.write", "Your catalogue: numbers with what they are.",
        ),
        Shape(
            "numbers", "Other numbers of parts",
            _fields(
                _MAKER, _NUMBER,
                field_of("other", "Other number", Kind.TEXT, "othernumber crossreference crossref customernumber suppliersku suppliernumber supplierpartnumber competitornumber xref reference fremdnummer", required=True),
                field_of("scheme", "Whose number", Kind.TEXT, "scheme otherscheme numberscheme supplier customer vendor source system numbertype", required=True),
            ),
            "parts.write", "Numbers that others use for your parts, so that a search finds them.",
        ),
        Shape(
            "counts", "Counts and serial lists",
            _fields(
                _MAKER, _HELD, _SERIAL,
                field_of(
                    "quantity", "Counted", Kind.QUANTITY,
                    "countedquantity countedqty qtycounted quantitycounted countqty countquantity physicalcount physicalqty physicalquantity "
                    "actual actualqty actualquantity found foundqty gezaehlt zaehlmenge istbestand qty quantity onhand qtyonhand quantityonhand qoh units",
                ),
                _WHERE,
                field_of("counted_on", "Counted on", Kind.DATE, "countdate countedat datecounted dateofcount inventorydate stocktakedate zaehldatum"),
            ),
            "holding.act",
            "What was found on your shelves: a count for each site, held against the record, which changes when you confirm it.",
            frozenset({"counted_on", "quantity"}),
        ),
        Shape(
            "uses", "Use reports",
            _fields(
                _MAKER, _HELD, _SERIAL,
                field_of(
                    "quantity", "Used", Kind.QUANTITY,
                    "usedquantity usedqty qtyused quantityused issued issuedqty qtyissued quantityissued issuequantity consumed consumedqty "
                    "consumedquantity qtyconsumed consumption verbrauch verbraucht entnahme entnommen qty quantity units",
                ),
                _WHERE,
                field_of(
                    "used_on", "Used on", Kind.DATE,
                    "usedate dateused usagedate issuedate issuedon dateissued consumedon consumptiondate dateofuse postingdate transactiondate "
                    "entnahmedatum verbrauchsdatum buchungsdatum",
                ),
                field_of("what", "What became of them", Kind.TEXT, "use usage action activity transaction transactiontype movementtype disposition vorgang"),
                field_of("machine", "Machine", Kind.TEXT, "machineno machinenumber machineserial equipment equipmentno equipmentnumber asset assetno fittedto installedin vehicle unitno maschine geraet"),
                field_of("reference", "Document", Kind.TEXT, "documentno documentnumber document docno workorder workorderno wo jobcard jobno jobnumber ticket slip slipno beleg belegnummer auftrag"),
                field_of("note", "Note", Kind.TEXT, "remark remarks comment comments reason bemerkung grund"),
            ),
            "holding.act", "What you used, fitted into machines or scrapped, as your own system wrote it down.",
            frozenset({"used_on", "quantity"}),
        ),
    )
}  # fmt: skip
"""All kinds, in the order in which they are recognised where equally much speaks for two."""
SHELF = frozenset({"counts", "uses"})
"""Kinds that tell of what a company holds, whoever made it: they change the ledger by the acts of whoever holds the units."""
ALL_FIELDS: Mapping[str, Field] = {
    name: field for shape in SHAPES.values() for name, field in shape.fields.items()
} | dict(FIELDS)
"""Any field of any kind by its name; where kinds share a name, as stock calls it."""
NAMES = frozenset(name for shape in SHAPES.values() for field in shape.fields.values() for name in field.names)
"""Every heading that is known, of whatever kind of file."""


def fields_of(kind: str) -> Mapping[str, Field]:
    """What a file of this kind can say."""
    return SHAPES[kind].fields


def _only_here(written: str) -> bool:
    """Whether a heading is one that only this kind of file has: 'Qty' stands in any list, 'Counted' in a count."""
    return heading(written) not in {
        name for other in ("stock", "parts") for f in SHAPES[other].fields.values() for name in f.names
    }


def check_kind(kind: str | None) -> None:
    """Raises ``import.shape``."""
    if kind is not None and kind not in SHAPES:
        raise invalid("import.shape", f"'{kind}' is no kind of file. Use {', '.join(SHAPES)}.", field="kind")


def recognise(header: Sequence[str], sample: Sequence[Sequence[str]]) -> str:
    """The kind of file whose needed columns are all there by their names and that explains the most of the others; stock where
    none does, as its page then says what is missing."""
    best, most = "stock", (0, 0)
    for name, shape in SHAPES.items():
        named = [m for m in match_columns(header, sample, fields=shape.fields).matches if m.why is not Why.CONTENT]
        found = {m.field for m in named}
        needed = {field.name for field in shape.fields.values() if field.required}
        # A heading that only this kind has says more than two that stand in any list.
        score = (len(named) + 2 * bool(shape.tells), sum(m.why is Why.NAME for m in named))
        tells = not shape.tells or any(m.field in shape.tells and _only_here(header[m.column]) for m in named)
        if needed <= found and tells and len(named) >= 2 and score > most:
            best, most = name, score
    return best
