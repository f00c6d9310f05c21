"""Character error rate of `classic` on made scans of the Declaration of Human Rights, by language, with tesseract beside it.

    python -m tests.bench scans [--languages vie,heb,…] [--wear clean,grey,worn] [--no-peer]

Each language is a page drawn with one of its fonts and worn in three ways (see `made_scans`). `tesseract` is told the language, as
no pipeline would be; `classic` finds out. *refused*: an honest failure `unsupported_script`. *silent*: an answer with more than a
twentieth of its characters wrong. CPU seconds count the process and its children.
"""

import argparse
import asyncio
import os
import resource
import shutil
import subprocess
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from rapidfuzz.distance import Levenshtein

from schemas.settings import ClassicSettings, EngineSettings
from tests.bench.inputs.made_scans import WEAR, made_scan, text_files
from tests.bench.reading.cer import Reader, Sample, normal
from workers.engines.registry import make_engine

PEER_LANGUAGES = {
    "arb": "ara", "pes": "fas", "pes_1": "fas", "pes_2": "fas", "ell_monotonic": "ell", "ell_polytonic": "grc", 
    "cmn_hans": "chi_sim",
    "cmn_hant": "chi_tra", "nob": "nor", "nno": "nor", "ekk": "est", "lvs": "lav", "als": "sqi", "aln": "sqi", "khk": "mon",
    "srp_cyrl": "srp", "srp_latn": "srp_latn", "deu_1996": "deu", "deu_1901": "deu", "por_BR": "por", "por_PT": "por", "ydd": "yid",
    "uzn_cyrl": "uzb_cyrl", "azj_latn": "aze", "azj_cyrl": "aze_cyrl", "mlg": "mlg", "pbu": "pus", 
    "uig_arab": "uig", "jpn_tokyo": "jpn",
}  # fmt: skip
SILENT = 0.05


@dataclass
class Tally:
    num_pages: int = 0
    num_refused: int = 0
    num_silent: int = 0
    num_chars: int = 0
    distance: int = 0
    cpu_s: float = 0.0
    peer_chars: int = 0
    peer_distance: int = 0
    peer_cpu_s: float = 0.0

    def add(self, other: "Tally") -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def row(self, name: str) -> str:
        cer = f"{self.distance / self.num_chars:.1%}" if self.num_chars else "-"
        peer = f"{self.peer_distance / self.peer_chars:.1%}" if self.peer_chars else "-"
        peer_s = f"{self.peer_cpu_s / self.num_pages:.1f}" if self.peer_chars else "-"
        mean_s = self.cpu_s / self.num_pages
        return f"| {name} | {self.num_pages} | {self.num_refused} | {self.num_silent} | {cer} | {peer} | {mean_s:.1f} | {peer_s} |"


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def tesseract_text(path: Path, language: str) -> str | None:
    """None where tesseract or the language is not installed."""
    line = ["tesseract", str(path), "-", "-l", language]
    done = subprocess.run(line, capture_output=True, text=True, env=os.environ | {"OMP_THREAD_LIMIT": "1"}, check=False)
    return done.stdout if done.returncode == 0 else None


async def measure(languages: list[str], wear: list[str], *, with_peer: bool) -> None:
    engine = make_engine(EngineSettings(classic=ClassicSettings()))
    await engine.start()
    reader = Reader(engine)
    with_peer = with_peer and shutil.which("tesseract") is not None
    print("| language | pages | refused | silent | CER | tesseract's | CPU s | tesseract's |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    by_script: dict[str, Tally] = defaultdict(Tally)
    with tempfile.TemporaryDirectory() as folder:
        for language in languages:
            tally, script = Tally(), ""
            for kind in wear:
                scan = made_scan(language, kind)
                if scan is None:
                    break
                script = scan.script
                path = Path(folder, f"{language}.png")
                path.write_bytes(scan.png)  # noqa: ASYNC240 - nothing else runs
                reference = normal(scan.text)
                started = _cpu_s()
                answer, _ = await reader.read(Sample(path, scan.text))
                tally.num_pages += 1
                tally.cpu_s += _cpu_s() - started
                if answer is None:
                    tally.num_refused += 1
                else:
                    distance = Levenshtein.distance(normal(answer), reference)
                    tally.num_chars += len(reference)
                    tally.distance += distance
                    tally.num_silent += distance > SILENT * len(reference)
                started = _cpu_s()
                if with_peer and (said := tesseract_text(path, PEER_LANGUAGES.get(language, language))) is not None:
                    tally.peer_cpu_s += _cpu_s() - started
                    tally.peer_chars += len(reference)
                    tally.peer_distance += Levenshtein.distance(normal(said), reference)
            if tally.num_pages:
                print(tally.row(language), flush=True)
                by_script[script].add(tally)
    for script, tally in sorted(by_script.items()):
        print(tally.row(f"**{script.lower()}**"))
    reader.renderer.close()
    await engine.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--languages", default="", help="as the files with their texts are named; all by default")
    parser.add_argument("--wear", default=",".join(WEAR))
    parser.add_argument("--no-peer", action="store_true")
    arguments = parser.parse_args()
    chosen = arguments.languages.split(",") if arguments.languages else list(text_files())
    asyncio.run(measure(chosen, arguments.wear.split(","), with_peer=not arguments.no_peer))
