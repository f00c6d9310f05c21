"""For `pagefold doctor`: which scripts are read here beside PP-OCR's own, and what brings another."""

from workers.engines.classic import scripts
from workers.engines.classic.tesseract import find_tesseract


def other_scripts_text(languages: list[str] | None) -> tuple[bool, str]:
    """(True where something is read, a sentence). `languages`: `engine.classic.tesseract_languages`."""
    tesseract = find_tesseract()
    if languages == []:
        return True, "not used (engine.classic.tesseract_languages); PP-OCR reads Chinese, Japanese and Latin script"
    if tesseract is None:
        return False, (
            "no program tesseract: scans in other scripts than Chinese, Japanese and Latin, and in Vietnamese, will fail; "
            "Debian: tesseract-ocr and, for each language, tesseract-ocr-ara, tesseract-ocr-hin, …"
        )
    allowed = [name for name in tesseract.languages if languages is None or name in languages]
    found = {script: scripts.languages_for(script, allowed) for script in scripts.LANGUAGES}
    read = [f"{script} ({', '.join(names)})" for script, names in sorted(found.items()) if names]
    if vietnamese := scripts.languages_for_latin("vi", allowed):
        read.append(f"Vietnamese ({vietnamese[0]})")
    lacking = [f"{script} {scripts.package(scripts.LANGUAGES[script][0])}" for script, names in sorted(found.items()) if not names]
    if not vietnamese:
        lacking.append(f"Vietnamese {scripts.package('vie')}")
    missing = [name for name in languages or () if name not in tesseract.languages]
    unknown = f"; not installed: {', '.join(missing)}" if missing else ""
    more = f"; others come with Debian's packages: {', '.join(lacking)}" if lacking else ""
    return bool(read), f"tesseract {tesseract.version} reads {', '.join(read) or 'no other script'}{unknown}{more}"
