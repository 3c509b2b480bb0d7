"""Names that may stand on a board: readable, and not to be taken for another's.

Two names look alike where their skeletons are equal, as in Unicode Technical Standard 39 (Unicode Security Mechanisms),
section 4. Its table of confusables has six thousand lines and no maintained small package carries it; the one below has
what is most like Latin letters and digits (in Cyrillic, Greek, Armenian, Cherokee, Lisu, Coptic and phonetic letters),
and Unicode's own compatibility decomposition adds full-width, mathematical, circled and superscript forms. Accents
stay: José and Jose are two people.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from kit.errors import KitError
from kit.seals import FORGOTTEN

LONGEST_NAME, LONGEST_NOTE = 64, 500  # characters

# Characters that are drawn as nothing: Default_Ignorable_Code_Point, and the blank pattern of Braille.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_MOST_MARKS = 4  # accents on one letter; more of them run into the lines above and below

_LIKE = {
    "A": "АΑᎪꓮᴀⲀ", "B": "ВвΒᏴꓐʙⲂ", "C": "СϹᏟꓚⲤᴄ", "D": "ᎠꓓᴅĐÐ", "E": "ЕΕᎬꓰᴇⴹ", "F": "ꓝϜꜰ", "G": "ԌᏀꓖɢ",
    "H": "НнΗᎻꓧʜⲎ", "J": "ЈᎫꓙᴊͿ", "K": "КкΚκᏦꓗᴋⲔĸ", "L": "ᏞꓡʟⳐԼ", "M": "МмΜᎷꓟᴍⲘ", "N": "ΝꓠɴⲚ",
    "O": "ОΟꓳᴏⲞՕ0", "P": "РΡᏢꓑᴘⲢ", "Q": "Ԛⵕ", "R": "ᎡꓣʀᏒ", "S": "ЅՏᏚꓢꜱ", "T": "ТтΤτᎢꓔᴛⲦ", "U": "ՍꓴᴜႮ",
    "V": "ѴᏙꓦᴠ", "W": "ԜᎳꓪᴡ", "X": "ХΧꓫⲬ", "Y": "УΥҮꓬʏⲨᎩ", "Z": "ΖᏃꓜᴢ", "a": "аαɑ⍺", "b": "ЬƄьᏏ",
    "c": "сϲⲥↄ", "d": "ԁᑯđ", "e": "еҽ℮ɛε", "f": "ք", "g": "ɡցᶃ", "h": "һհᏂ", "i": "іιɩıɪꙇᎥ", "j": "јϳ",
    "l": "ӏӀІΙⲒꓲᏆǀ∣│|1IاןוƖ", "n": "ոռη", "o": "оοօσסᴑⲟ", "p": "рρⲣþ", "q": "ԛգզ", "r": "гᴦⲅꭇ", "s": "ѕƽ",
    "u": "υսʋцꞟ", "v": "νѵט∨", "w": "ԝѡաɯωⲱ", "x": "хχ×ⲭ᙮", "y": "уγүყɣ", "z": "ζʐ",
    "-": "‐‑‒–—―−﹘⁃˗➖ー一", "'": "’‘ʼʻ`´ʹ′＇", ".": "․·•٠۰", "*": "∗⁎٭✱", ":": "ː∶꞉", "/": "⁄∕", "_": "ߺ",
    "二": "ニ", "口": "ロ", "力": "カ", "工": "エ", "夕": "タ", "八": "ハ", "卜": "ト",
}  # fmt: skip
_TABLE = str.maketrans({other: one for one, others in _LIKE.items() for other in others})
_PAIRS = (("rn", "m"), ("vv", "w"))


def checked(name: str) -> str:
    """A person's name in its one form (NFC, single blanks); KitError where it cannot stand on a board."""
    name = text("name", name, 1, LONGEST_NAME)
    marks = [unicodedata.category(character).startswith("M") for character in unicodedata.normalize("NFD", name)]
    if marks[0] or any(all(marks[at : at + _MOST_MARKS + 1]) for at in range(len(marks) - _MOST_MARKS)):
        raise KitError(
            f"The name {name!r} cannot stand on the board: accents need a letter, and at most {_MOST_MARKS}."
        )
    if skeleton(name).endswith("*"):
        raise KitError(f"The name {name!r} cannot stand on the board: a star at its end marks a baseline.")
    if FORGOTTEN.fullmatch(name.casefold()):
        raise KitError(f"The name {name!r} cannot stand on the board: it is what the forgotten are called.")
    return name


def text(what: str, given: str, least: int, most: int) -> str:
    """Text as it may stand on the board: one line of NFC, all of it to be seen, no escape sequence for a terminal."""
    one_line = unicodedata.normalize("NFC", " ".join(given.split()))
    hidden = _INVISIBLE.search(one_line) if what == "name" else None
    if not least <= len(one_line) <= most or not one_line.isprintable() or hidden:
        why = f" U+{ord(hidden[0]):04X} cannot be seen." if hidden else ""
        raise KitError(
            f"The {what} {ascii(given[:80]) if hidden else repr(given[:80])} cannot stand on the board: "
            f"{least} to {most} printable characters.{why}"
        )
    return one_line


@lru_cache(maxsize=100_000)
def skeleton(name: str) -> str:
    """What a name looks like, as the letters that it could be read as; without regard to case."""
    return _drawn(name).casefold()


def look_alike(name: str, others: Iterable[str]) -> str | None:
    """The first of the others that is read as this name, in upper, lower or mixed case."""
    mine = _readings(name)
    return next((other for other in others if mine & _readings(other)), None)


@lru_cache(maxsize=100_000)
def _readings(name: str) -> frozenset[str]:
    return frozenset((skeleton(name), _drawn(name.casefold()).casefold()))


def _drawn(name: str) -> str:
    if name.isascii():
        seen = name.translate(_TABLE)
    else:
        decomposed = unicodedata.normalize("NFKD", name)
        seen = "".join(_digit(each) for each in decomposed if not _INVISIBLE.match(each)).translate(_TABLE)
        seen = unicodedata.normalize("NFKD", seen)
    for pair, one in _PAIRS:
        seen = seen.replace(pair, one)
    return seen


def _digit(character: str) -> str:
    """Digits of any script as those of ASCII."""
    digit = unicodedata.digit(character, None)
    return character if digit is None else str(digit)
