"""Texts as PP-OCR gave them for clean scans at 200 dpi."""

import pytest

from workers.engines.classic.lacking_signs.lookalikes import are_misread

AKAN = (
    "Wəawo adesamma nyinaa sε nnipa a wəwə ahofadi. Wən nyinaa wə nidi ne kyεfa koro. Wəwə adwene ne ahonim, na εsε sε wobu won ho "
    "won ho sε anuanom. Obiara wo hokwan ne ahofadi biara a wəahyehyε wo saa nkaebə krataa yi mu no bi."
)
EWE = (
    "Wodzi amegbetowo katã ablədeviwoe eye wodzena bubu kple gomekpəkpo s⊃s⊃e. Susu kple dzitsinya le wo dometo desiade si eyata "
    "wodze be woano agbe de dekawowo blibo me. Ele be amesiame nakpə gome le abləde kple dzədzəmegomekpəkpə siwo katã."
)
BAMBARA = (
    "Hadamaden bεε danmakεnεnen bε bange, danbe ni josira la. Hakili ni taasi b'u bεε la, wa u ka kan ka badennasira de waleya u "
    "ni nəgən cε. Nin dantigεkan in kənə, josira ni hərənna minnu fəlen don."
)
FON = (
    "Gbεtə lε bi wε nə jə bə ye o mεdesusinε mε, ye o susu dokpo , ye ka do acε dokpo. Linkpən kpo ayixa kpo wε ye o bə ye do na "
    "nə hwε do nəvi nəvi mε."
)
AZERBAIJANI = (
    "Bütün insanlar ləyaqət və hüquqlarına görə azad və bərabər doğulurlar. Onların şüurları və vicdanları var və bir-birlərinə "
    "münasibətdə qardaşlıq ruhunda davranmalıdırlar."
)
KANURI = (
    "Adəgaima məradətənadə nəmkam lardəwaben haptaadəma, Lardəwa Tawakamdəben kəla nəmngalwo kəla am dunyabe ye, hakkiwa ye, "
    "nəmkambe ye kəriwo. Am samma nəmkam ye darajaro ye tilon."
)
AZERBAIJANI_BESIDE_ENGLISH = f"{AZERBAIJANI} " + "All human beings are born free and equal in dignity and rights. " * 5
MECHANICS = (
    "Let the strain be εxx in the bar, εyy and εzz across, and εmax its most; then σ = Eε and dε = dx/L, where λ=3 μm, Δx = 2 kΩ, "
    "the α-helix of PKCε binds FcεRI, FcεRIα and CD3ε, and sinθ or cosφ fall off as β-decay does for τ>0."
)
IN_ENGLISH = (
    "The town of Əliabad (pronounced əliabad) lies on the river, and has been known under this name for longer than anybody can "
    "say; its market sells carpets, fruit and copper to whoever comes by on the road from the coast to the hills."
)


@pytest.mark.parametrize("text", [AKAN, EWE, BAMBARA, FON])
def test_letters_that_only_look_like_those_of_the_page_are_seen(text):
    assert are_misread(text)


@pytest.mark.parametrize(
    "text", [AZERBAIJANI, AZERBAIJANI_BESIDE_ENGLISH, KANURI, MECHANICS, IN_ENGLISH, AKAN.upper(), "sε kyεfa wən", ""]
)
def test_symbols_names_and_languages_with_these_letters_are_not(text):
    assert not are_misread(text)
