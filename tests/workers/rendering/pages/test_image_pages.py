import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageDraw, TiffImagePlugin

from schemas.failure import FailureKind, PageError
from schemas.page import RenderedPage
from schemas.settings import RegionSettings, RenderSettings
from workers.rendering.pages.image_pages import ImageDocument
from workers.rendering.renderer import Renderer

pytestmark = pytest.mark.slow

Pixel = tuple[int, ...]


def pixels_of(page: RenderedPage) -> np.ndarray:
    assert page.image is not None, page.failure
    return np.frombuffer(page.image.rgb(), np.uint8).reshape(page.image.height_px, page.image.width_px, 3)


@pytest.fixture
def read(renderer: Renderer, tmp_path: Path) -> Callable[..., list[RenderedPage]]:
    """Save an image (or raw bytes) under a meaningless name and render all its pages."""

    def run(image: Image.Image | bytes, kind: str = "PNG", **options: object) -> list[RenderedPage]:
        path = tmp_path / "object"
        if isinstance(image, bytes):
            path.write_bytes(image)
        else:
            image.save(path, kind, **options)
        return list(renderer.render(path, range(renderer.probe(path, None, None).num_pages or 0)))

    return run


def halves(left: Pixel | int, right: Pixel | int, mode: str = "RGB", size: tuple[int, int] = (640, 448)) -> Image.Image:
    image = Image.new(mode, size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    return image


def png(header: bytes, rows: bytes, transparency: bytes = b"") -> bytes:
    chunks = [(b"IHDR", header), *([(b"tRNS", transparency)] if transparency else [])]
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def left_and_right(page: RenderedPage) -> tuple[list[int], list[int]]:
    pixels = pixels_of(page)
    row = pixels.shape[0] // 2
    return pixels[row, pixels.shape[1] // 4].tolist(), pixels[row, -pixels.shape[1] // 4].tolist()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "JPEG2000", "AVIF"])
def test_every_format_is_read_by_its_bytes(read: Callable[..., list[RenderedPage]], kind: str) -> None:
    (page,) = read(halves((0, 0, 0), (255, 255, 255)), kind)

    dark, light = left_and_right(page)
    assert max(dark) < 12
    assert min(light) > 243
    assert (page.is_scan, page.is_blank, page.is_reduced, page.dpi, page.text_layer) == (True, False, False, None, None)


def test_a_big_tiff_is_read(read: Callable[..., list[RenderedPage]]) -> None:
    (page,) = read(halves(0, 255, "L"), "TIFF", big_tiff=True)

    assert left_and_right(page) == ([0, 0, 0], [255, 255, 255])


@pytest.mark.parametrize(
    ("image", "options", "expected"),
    [
        pytest.param(halves((200, 10, 10), (10, 10, 200)), {}, ([200, 10, 10], [10, 10, 200]), id="RGB"),
        pytest.param(halves(30, 220, "L"), {}, ([30] * 3, [220] * 3), id="L"),
        pytest.param(halves(0, 1, "1"), {}, ([0] * 3, [255] * 3), id="1-bit"),
        pytest.param(halves((9, 9, 9, 0), (9, 9, 9, 255), "RGBA"), {}, ([255] * 3, [9] * 3), id="alpha is laid on white"),
        pytest.param(halves((0, 128), (0, 255), "LA"), {}, ([127] * 3, [0] * 3), id="grey with alpha"),
        pytest.param(halves(5, 90, "L"), {"transparency": 5}, ([255] * 3, [90] * 3), id="a transparent grey level"),
        pytest.param(halves((1, 2, 3), (250, 0, 0)).convert("P"), {}, None, id="palette"),
    ],
)
def test_modes_become_rgb_on_white(
    read: Callable[..., list[RenderedPage]], image: Image.Image, options: dict[str, object], expected: object
) -> None:
    (page,) = read(image, "PNG", **options)

    wanted = expected or tuple(list(image.convert("RGB").getpixel(at)) for at in ((10, 200), (600, 200)))
    assert left_and_right(page) == wanted


def test_a_transparent_palette_entry_is_white(read: Callable[..., list[RenderedPage]]) -> None:
    image = halves(0, 1, "P")
    image.putpalette([0, 0, 0, 200, 0, 0])

    (page,) = read(image, "PNG", transparency=0)

    assert left_and_right(page) == ([255] * 3, [200, 0, 0])


@pytest.mark.parametrize(("alphas", "expected"), [((0, 0), ([9] * 3, [200] * 3)), ((0, 255), ([255] * 3, [200] * 3))])
def test_a_bitmap_whose_alpha_is_zero_everywhere_is_not_transparent(
    read: Callable[..., list[RenderedPage]], alphas: tuple[int, int], expected: tuple[list[int], list[int]]
) -> None:
    left, right = (bytes([level] * 3 + [alpha]) * 320 for level, alpha in zip((9, 200), alphas, strict=True))
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII4I4s", 124, 640, 448, 1, 32, 3, 640 * 448 * 4, 0, 0, 0, 0, *masks, b"BGRs").ljust(124, b"\0")

    (page,) = read(struct.pack("<2sIII", b"BM", 138 + 640 * 448 * 4, 0, 138) + header + (left + right) * 448)

    assert left_and_right(page) == expected


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_ink_is_dark_and_paper_is_light(read: Callable[..., list[RenderedPage]], kind: str) -> None:
    (page,) = read(halves((0, 0, 0, 255), (0, 0, 0, 0), "CMYK"), kind)

    ink, paper = left_and_right(page)
    assert max(ink) < 12
    assert min(paper) > 243


def test_lab_colours_are_converted(read: Callable[..., list[RenderedPage]]) -> None:
    (page,) = read(halves((0, 128, 128), (255, 128, 128), "LAB"), "TIFF")

    ink, paper = left_and_right(page)
    assert max(ink) < 12
    assert min(paper) > 243


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_keep_their_declared_range(read: Callable[..., list[RenderedPage]], kind: str) -> None:
    values = np.zeros((448, 640), np.uint16)
    values[:, 320:] = 32768  # the middle of the range, and of nothing else

    (page,) = read(Image.fromarray(values), kind)

    assert left_and_right(page) == ([0] * 3, [128] * 3)


@pytest.mark.parametrize(
    ("level", "expected"), [(0, ([255] * 3, [156] * 3)), (40_000, ([0] * 3, [255] * 3)), (7, ([0] * 3, [156] * 3))]
)
def test_a_transparent_level_of_sixteen_bits_is_white(
    read: Callable[..., list[RenderedPage]], level: int, expected: tuple[list[int], list[int]]
) -> None:
    values = np.zeros((448, 640), ">u2")
    values[:, 320:] = 40_000
    rows = b"".join(b"\0" + row.tobytes() for row in values)

    (page,) = read(png(struct.pack(">IIBBBBB", 640, 448, 16, 0, 0, 0, 0), rows, struct.pack(">H", level)))

    assert left_and_right(page) == expected


@pytest.mark.parametrize("orientation", [1, 6])
def test_sixteen_bits_may_begin_at_white(read: Callable[..., list[RenderedPage]], orientation: int) -> None:
    values = np.zeros((448, 640), np.uint16)
    values[:, 320:] = 65_535
    stored = np.rot90(values) if orientation == 6 else values

    (page,) = read(Image.fromarray(stored), "TIFF", tiffinfo={262: 0, 274: orientation}, compression="raw")

    assert left_and_right(page) == ([255] * 3, [0] * 3)


def test_twelve_bits_in_sixteen_are_not_black(read: Callable[..., list[RenderedPage]]) -> None:
    values = np.zeros((448, 640), np.uint16)
    values[:, 320:] = 4000

    (page,) = read(Image.fromarray(values), "TIFF")

    assert left_and_right(page) == ([0] * 3, [255] * 3)


@pytest.mark.parametrize("scale", [1.0, 255.0, 1e6])
def test_floats_are_scaled_by_what_they_hold(read: Callable[..., list[RenderedPage]], scale: float) -> None:
    values = np.zeros((448, 640), np.float32)
    values[:, 320:] = scale
    values[0, 0] = np.nan

    (page,) = read(Image.fromarray(values), "TIFF")

    assert left_and_right(page) == ([0] * 3, [255] * 3)


ORIENTED = [
    # orientation, how the stored picture must be turned so that the tag undoes it, degrees applied
    (1, None, 0),
    (2, Image.Transpose.FLIP_LEFT_RIGHT, 0),
    (3, Image.Transpose.ROTATE_180, 180),
    (4, Image.Transpose.FLIP_TOP_BOTTOM, 180),
    (5, Image.Transpose.TRANSPOSE, 270),
    (6, Image.Transpose.ROTATE_90, 90),
    (7, Image.Transpose.TRANSVERSE, 90),
    (8, Image.Transpose.ROTATE_270, 270),
]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize(("orientation", "turn", "degrees"), ORIENTED)
def test_exif_orientation_is_applied(
    read: Callable[..., list[RenderedPage]], kind: str, orientation: int, turn: Image.Transpose | None, degrees: int
) -> None:
    upright = Image.new("RGB", (640, 448), "white")
    ImageDraw.Draw(upright).rectangle((0, 0, 200, 100), fill="black")  # a mark top left, nowhere else
    exif = Image.Exif()
    exif[0x0112] = orientation

    (page,) = read(upright.transpose(turn) if turn is not None else upright, kind, exif=exif)

    pixels = pixels_of(page)
    assert pixels.shape == (448, 640, 3)
    assert pixels[50, 100].max() < 30
    assert min(pixels[-50, 100].min(), pixels[50, -100].min(), pixels[-50, -100].min()) > 225
    assert page.rotation == degrees


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "I;16"])
@pytest.mark.parametrize(("orientation", "turn", "degrees"), ORIENTED)
def test_plain_pixels_of_a_tiff_are_turned(
    tmp_path: Path, mode: str, orientation: int, turn: Image.Transpose | None, degrees: int
) -> None:
    """Without the sandbox, in which nothing can be mapped into memory by Pillow."""
    upright = Image.new("RGB", (640, 448), "white")
    ImageDraw.Draw(upright).rectangle((0, 0, 200, 100), fill="black")
    stored = upright.transpose(turn) if turn is not None else upright
    stored = Image.fromarray(np.asarray(stored.convert("L")).astype(np.uint16) * 257) if mode == "I;16" else stored.convert(mode)
    exif = Image.Exif()
    exif[0x0112] = orientation

    stored.save(tmp_path / "t", "TIFF", exif=exif, compression="raw")
    page = ImageDocument(tmp_path / "t", "image/tiff", RenderSettings(), RegionSettings()).render_page(0)

    pixels = pixels_of(page)
    assert pixels.shape == (448, 640, 3)
    assert pixels[50, 100].max() < 30
    assert min(pixels[-50, 100].min(), pixels[50, -100].min(), pixels[-50, -100].min()) > 225
    assert page.rotation == degrees


def test_a_broken_exif_block_does_not_cost_the_page(read: Callable[..., list[RenderedPage]]) -> None:
    (page,) = read(halves(0, 255, "L"), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7fgarbage")

    assert page.failure is None
    assert page.image is not None


def test_a_tiff_has_a_page_for_each_frame(read: Callable[..., list[RenderedPage]]) -> None:
    frames = [Image.new("L", (640, 448), level) for level in (10, 120, 240)]

    pages = read(frames[0], "TIFF", save_all=True, append_images=frames[1:])

    assert [int(pixels_of(page)[0, 0, 0]) for page in pages] == [10, 120, 240]
    assert [page.page_index for page in pages] == [0, 1, 2]


@pytest.mark.parametrize(
    ("kinds", "pages"),
    [([1, 0, 2], [1, 2]), ([0, 1, 1], [0]), ([2, 2, 4], [0, 1]), ([1, 1, 1], [0, 1, 2])],
    ids=["a thumbnail first", "smaller copies", "a mask", "nothing else"],
)
def test_thumbnails_and_masks_of_a_tiff_are_no_pages(
    read: Callable[..., list[RenderedPage]], kinds: list[int], pages: list[int]
) -> None:
    out = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(out, new=True) as file:
        for place, kind in enumerate(kinds):
            Image.new("L", (640, 448), 50 * (place + 1)).save(file, "TIFF", tiffinfo={254: kind})
            file.newFrame()

    found = read(out.getvalue())

    assert [int(pixels_of(page)[0, 0, 0]) for page in found] == [50 * (place + 1) for place in pages]
    assert [page.page_index for page in found] == list(range(len(pages)))


def test_tiff_pages_can_be_read_in_any_order(renderer: Renderer, tmp_path: Path) -> None:
    frames = [Image.new("L", (640, 448), level) for level in (10, 120, 240)]
    frames[0].save(tmp_path / "t.tif", save_all=True, append_images=frames[1:])

    pages = list(renderer.render(tmp_path / "t.tif", [2, 0]))

    assert [int(pixels_of(page)[0, 0, 0]) for page in pages] == [240, 10]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF", "HEIF"])
def test_frames_are_pages_in_any_order(renderer: Renderer, tmp_path: Path, kind: str) -> None:
    pillow_heif.register_heif_opener()  # Pillow writes HEIF only then
    frames = [Image.new("RGB", (640, 448), color) for color in ("red", "blue", "lime")]
    frames[0].save(tmp_path / "t", kind, save_all=True, append_images=frames[1:])

    pages = list(renderer.render(tmp_path / "t", [2, 0, 1]))

    assert [int(pixels_of(page)[0, 0].argmax()) for page in pages] == [1, 0, 2]


def test_a_heic_is_read(read: Callable[..., list[RenderedPage]]) -> None:
    pillow_heif.register_heif_opener()  # Pillow writes HEIF only then; the sandboxed process registers it by itself
    (page,) = read(Image.new("RGB", (640, 448), "red"), "HEIF")

    assert page.image is not None
    assert pixels_of(page)[0, 0, 0] > 200


def test_a_blank_image_is_blank_and_has_no_region(read: Callable[..., list[RenderedPage]]) -> None:
    (page,) = read(Image.new("RGB", (1000, 1000), (250, 250, 248)), "JPEG")

    assert page.is_blank
    assert page.regions == []


@pytest.mark.parametrize("ink", [0, 128, 245])
def test_one_faint_word_is_not_blank(read: Callable[..., list[RenderedPage]], ink: int) -> None:
    image = Image.new("L", (1240, 1754), 255)
    ImageDraw.Draw(image).text((300, 300), "faint", fill=ink)

    (page,) = read(image)

    assert not page.is_blank


def test_an_image_is_one_standalone_region_as_large_as_its_page(read: Callable[..., list[RenderedPage]]) -> None:
    (page,) = read(halves(0, 255, "L"))

    (region,) = page.regions
    assert (region.origin, region.image, region.bbox_px) == ("standalone", None, (0, 0, 640, 448))


def text_sheet() -> Image.Image:
    image = Image.new("L", (1240, 1754), 255)
    draw = ImageDraw.Draw(image)
    for line in range(60):
        draw.text((120, 100 + 25 * line), "The harbour master wrote down the height of the water. " * 2, fill=20)
    return image


def photograph() -> Image.Image:
    numbers = np.random.default_rng(3)
    slopes = np.linspace(0, 255, 480)[:, None] * np.linspace(0.2, 1, 640)[None]
    return Image.fromarray((slopes + numbers.normal(0, 12, slopes.shape)).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("picture", [text_sheet, photograph])
def test_what_cannot_be_a_chart_is_no_region(read: Callable[..., list[RenderedPage]], picture: Callable[[], Image.Image]) -> None:
    (page,) = read(picture())

    assert page.regions == []
    assert not page.is_blank


def test_a_chart_of_thin_lines_is_a_region(read: Callable[..., list[RenderedPage]]) -> None:
    image = text_sheet().resize((620, 877))
    draw = ImageDraw.Draw(image)
    draw.line([(100, 300), (100, 600), (400, 600)], fill=0)
    draw.line([(100, 560), (200, 480), (300, 500), (400, 350)], fill=90)

    (page,) = read(image)

    assert [region.origin for region in page.regions] == ["standalone"]


def test_a_large_image_is_reduced_and_carries_its_own_pixels(read: Callable[..., list[RenderedPage]]) -> None:
    (page,) = read(halves(0, 255, "L", (4000, 3000)), "JPEG")

    assert page.image is not None
    assert page.is_reduced
    assert page.image.width_px * page.image.height_px <= 1344 * 1792
    assert Image.open(io.BytesIO(page.full_image)).size == (4000, 3000)


def test_a_photograph_keeps_as_many_pixels_as_its_page_may_have(tmp_path: Path) -> None:
    halves(0, 255, "L", (6000, 4000)).save(tmp_path / "photo", "JPEG")

    with Renderer(RenderSettings(max_pixels=9_000_000), RegionSettings(), []) as renderer:
        (page,) = renderer.render(tmp_path / "photo", [0])

    assert page.image is not None
    assert 0.97 * 9_000_000 < page.image.width_px * page.image.height_px <= 9_000_000
    assert page.is_reduced


def test_the_full_image_is_upright_too(read: Callable[..., list[RenderedPage]]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6

    (page,) = read(halves(0, 255, "L", (4000, 3000)), "JPEG", exif=exif)

    assert Image.open(io.BytesIO(page.full_image)).size == (3000, 4000)


def test_a_bomb_is_not_decoded(read: Callable[..., list[RenderedPage]]) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0)

    with pytest.raises(PageError) as caught:
        read(png(header, bytes(100)))

    assert caught.value.kind is FailureKind.too_large


def test_the_pixel_limit_is_a_setting(tmp_path: Path) -> None:
    halves(0, 255, "L").save(tmp_path / "a.png")
    tight = RenderSettings(max_decoded_pixels=640 * 448 - 1)
    with Renderer(tight, RegionSettings(), []) as renderer, pytest.raises(PageError) as caught:
        renderer.probe(tmp_path / "a.png", None, None)
    assert caught.value.kind is FailureKind.too_large


def test_a_truncated_image_fails_its_page(read: Callable[..., list[RenderedPage]]) -> None:
    out = io.BytesIO()
    Image.effect_noise((640, 448), 80).save(out, "PNG")

    (page,) = read(out.getvalue()[:20_000])

    assert page.failure is not None
    assert page.failure.kind is FailureKind.unreadable


@pytest.mark.parametrize("head", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"GIF89a", b"BM", b"RIFF\0\0\0\0WEBP"])
def test_a_header_and_nothing_else_is_corrupt(read: Callable[..., list[RenderedPage]], head: bytes) -> None:
    with pytest.raises(PageError) as caught:
        read(head + bytes(40))

    assert caught.value.kind is FailureKind.corrupt


def test_an_extreme_strip_stays_within_the_limits(read: Callable[..., list[RenderedPage]]) -> None:
    (page,) = read(Image.new("L", (40_000, 10), 0))

    assert page.image is not None
    assert (page.image.width_px, page.image.height_px) == (6336, 32)
