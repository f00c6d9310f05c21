import pytest

from workers.engines.classic.letters import LANGUAGES, language_lacking

LATIN1 = frozenset(map(chr, range(0x20, 0x250)))
"""A dictionary with the letters of western Europe, and Vietnamese's only where others share them."""

VIETNAMESE = (
    "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền. Mọi con người đều được tạo hoá ban cho lý trí và "
    "lương tâm và cần phải đối xử với nhau trong tình bằng hữu."
)
YORUBA = (
    "Gbogbo ènìyàn ni a bí ní òmìnira; iyì àti ẹ̀tọ́ kọ̀ọ̀kan sì dọ́gba. Wọ́n ní ẹ̀bùn ti làákàyè àti ti ẹ̀rí‐ọkàn, ó sì yẹ kí wọn "
    "ó máa hùwà sí ara wọn gẹ́gẹ́ bí ọmọ ìyá. Ẹnì kọ̀ọ̀kan ló ní ànfàní sí gbogbo ẹ̀tọ́ àti òmìnira tí a ti gbé kalẹ̀."
)
IGBO = (
    "A mụrụ mmadụ nile n'ohere nakwa nhatanha ugwu na ikike. E nyere ha uche na mmụọ ime ihe ziri ezi nke na ha kwesịrị "
    "ịkpaso ibe ha agwa n'obi nwanne. Onye ọ bụla nwere ikike ịnata ihe ndị a bụ nke dị n'akwụkwọ nkwupụta a na ọzọ."
)


def left_out(text, dictionary=LATIN1):
    """What a model answers that lacks the other letters."""
    return "".join(char for char in text if char in dictionary)


@pytest.mark.parametrize(("text", "language"), [(VIETNAMESE, "vi"), (YORUBA, "yo"), (IGBO, "ig")])
def test_a_language_is_known_by_its_words_without_the_letters_that_are_lacking(text, language):
    assert language_lacking(left_out(text), LATIN1) == language


def test_a_model_that_has_the_letters_lacks_no_language():
    everything = LATIN1 | frozenset("".join(entry.words for entry in LANGUAGES.values()))
    assert language_lacking(VIETNAMESE, everything) is None


@pytest.mark.parametrize(
    "text",
    [
        "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience.",
        "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y conciencia.",
        "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt.",
        "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni obdarzeni rozumem i sumieniem.",
        "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana sahiptirler ve birbirlerine karşı.",
        "TAN WOON YANN MR D.I.Y. (JOHOR) SDN BHD LOT 1851-A JALAN KPB 6 TAMAN BUKIT TAMBUN SERI KEMBANGAN TOTAL RM 9.00",
        "thu hai ba",
        "",
    ],
)
def test_other_languages_and_short_texts_lack_none(text):
    assert language_lacking(text, LATIN1) is None
