"""Pages on their way between processes."""

import pytest

from schemas.page import Box, Packed, PageImage, Region, RenderedPage, TextLayer, Word, pack, unpack

WORD = Word("Åland", 1.0, 2.0, 30.5, 12.25, 0, 0, 10.0)


def image(level: int) -> PageImage:
    return PageImage.from_rgb(2, 1, bytes([level] * 6))


def page(page_index: int, **more: object) -> RenderedPage:
    layer = TextLayer(words=[WORD], num_chars=5)
    return RenderedPage.model_validate({"page_index": page_index, "image": image(page_index), "text_layer": layer} | more)


def region(region_index: int) -> Region:
    return Region(
        region_index=region_index, bbox_px=Box(0, 0, 2, 1), origin="drawing", image=image(100 + region_index), words=[WORD]
    )


def test_pages_come_out_as_they_went_in_pixels_included() -> None:
    shown = [region(0), region(1).model_copy(update={"picture": b"figure"}), region(2).model_copy(update={"image": None})]
    pages = [page(0, full_image=b"jpeg", picture=b"page"), RenderedPage(page_index=1), page(2, regions=shown)]

    unpacked = unpack(pack(*pages))

    assert unpacked == pages
    assert (unpacked[0].full_image, unpacked[0].picture) == (b"jpeg", b"page")
    assert [each.picture for each in unpacked[2].regions] == [b"", b"figure", b""]
    assert [each.image.rgb() for each in unpacked[2].regions if each.image] == [bytes([100] * 6), bytes([101] * 6)]


def test_what_follows_a_page_under_its_index_is_what_was_found_on_it() -> None:
    drawn, found = page(3, flags=["repaired"], render_s=0.5), RenderedPage(page_index=3, regions=[region(0)], render_s=0.25)
    failed = RenderedPage(page_index=4, flags=["regions_failed"])

    first, second = unpack(Packed.joined([pack(drawn), pack(found), pack(page(4)), pack(failed)]))

    assert first == drawn.model_copy(update={"regions": [region(0)], "render_s": 0.75})
    assert first.image is not None
    assert first.image.rgb() == bytes([3] * 6)
    assert second.flags == ["regions_failed"]
    assert second.image is not None


@pytest.mark.parametrize(
    "broken",
    [
        Packed("{", []),
        Packed('{"page_index": 0, "height": 1}', [b""]),
        Packed(pack(page(0)).body, []),
        Packed(pack(page(0)).body, [b"", b"", b"1", b"2"]),
        Packed("[]", []),
    ],
    ids=["no JSON", "another shape", "pixels missing", "pixels left over", "a list"],
)
def test_what_is_no_page_is_refused(broken: Packed) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(broken)
