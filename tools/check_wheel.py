"""Look into a wheel as its users' machines will: contents, licences, description, size, manylinux tag.

    python tools/check_wheel.py dist/fastfa-*.whl [--list] [--repaired]

What a wheel must hold follows from the repository: every file of python/fastfa as it is there, the
compiled libraries, headers and CMake package if it has them, its licences, and nothing else.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import io
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from email import message_from_bytes
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_BYTES = 10_000_000
EMBED = [  # what an embedder compiles against
    r"fastfa/include/fastfa/[\w/]+\.h",
    r"fastfa/lib/cmake/fastfa/fastfa-config(-version|-release)?\.cmake",
]
CONFIG = "fastfa/lib/cmake/fastfa/fastfa-config.cmake"
INFO = [r"METADATA", r"WHEEL", r"RECORD", r"entry_points\.txt"]
SBOM = r"sboms/auditwheel\.cdx\.json"  # auditwheel's own note of what it did
LICENCES = {
    "licenses/LICENSE": ("LICENSE", "MIT License"),
    "licenses/licenses/EIGEN.txt": ("licenses/EIGEN.txt", "Mozilla Public License"),
}
BASE = {"numpy", "safetensors", "tqdm"}


def compiled(name: str) -> list[str]:
    """The libraries that a wheel of that name holds."""
    levels = ("v2", "v3", "v4") if "x86_64" in name else ("portable",)
    return [
        r"fastfa/_core\.cpython-\d+-[\w-]+\.so",
        rf"fastfa/lib/libfastfa\.{'dylib' if 'macosx' in name else 'so'}",
        *(rf"fastfa/lib/fastfa_kernels_{level}\.so" for level in levels),
    ]


def sources() -> dict[str, Path]:
    """What python/fastfa holds, by the name it has in the wheel; caches and links aside."""
    package = ROOT / "python"
    files = (p for p in (package / "fastfa").rglob("*") if p.is_file() and not p.is_symlink())
    files = (p for p in files if "__pycache__" not in p.parts and not p.parent.is_symlink())
    return {str(p.relative_to(package)): p for p in files}


def files(wheel: zipfile.ZipFile) -> list[str]:
    """The names without folders, of which auditwheel makes entries too."""
    return [name for name in wheel.namelist() if not name.endswith("/")]


def content_problems(wheel: zipfile.ZipFile, repaired: bool) -> Iterable[str]:
    names = set(files(wheel))
    if len(names) != len(files(wheel)):
        yield "a name is there twice"
    own, info, libraries = sources(), _info(names), compiled(Path(wheel.filename).name)
    for name, path in sorted(own.items()):
        if name not in names:
            yield f"no {name}"
        elif wheel.read(name) != path.read_bytes():
            yield f"{name} is not that of the repository"
    for want in [*libraries, *(rf"{re.escape(info)}/{name}" for name in INFO)]:
        found = [n for n in names if re.fullmatch(want, n)]
        if len(found) != 1:
            yield f"{len(found)} files like {want}, not one"
    sboms = [SBOM] if repaired else []
    allowed = [*libraries, *EMBED, *(rf"{re.escape(info)}/{n}" for n in [*INFO, *LICENCES, *sboms])]
    for name in sorted(names - own.keys()):
        if not any(re.fullmatch(pattern, name) for pattern in allowed):
            yield f"stray {name}"
    headers = {n for n in names if re.fullmatch(EMBED[0], n)}
    theirs = {
        f"fastfa/include/{p.relative_to(ROOT / 'cpp/include')}"
        for p in (ROOT / "cpp/include").rglob("*.h")
    }
    if CONFIG not in names:
        yield f"no {CONFIG}"
    if headers != theirs:
        yield f"headers differ from cpp/include: {sorted(headers ^ theirs)}"


def licence_problems(wheel: zipfile.ZipFile) -> Iterable[str]:
    info = _info(wheel.namelist())
    for name, (source, says) in LICENCES.items():
        try:
            text = wheel.read(f"{info}/{name}")
        except KeyError:
            yield f"no {info}/{name}"
            continue
        if text != (ROOT / source).read_bytes() or says not in text.decode():
            yield f"{name} is not {source} of the repository"
    metadata = message_from_bytes(wheel.read(f"{info}/METADATA"))
    if set(metadata.get_all("License-File", [])) != {source for source, _ in LICENCES.values()}:
        yield f"METADATA names the licence files {metadata.get_all('License-File')}"
    if metadata["License-Expression"] != "MIT":
        yield f"METADATA has the licence {metadata['License-Expression']}"
    needed = [r for r in metadata.get_all("Requires-Dist", []) if "extra ==" not in r]
    if {re.match(r"[\w.-]+", r)[0] for r in needed} != BASE:
        yield f"it needs {needed}, not just {sorted(BASE)}"


def readme_problems(wheel: zipfile.ZipFile) -> Iterable[str]:
    """The description must be README.md with links that hold away from the repository."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    metadata = wheel.read(f"{_info(wheel.namelist())}/METADATA").decode()
    text = metadata.partition("\n\n")[2]
    base, tag = project["urls"]["Repository"], f"v{project['version']}"
    pages, pictures = f"{base}/blob/{tag}/", f"{base}/raw/{tag}/"
    for start, link in re.findall(r"(!?\[[^\[\]]*)?\]\(([^)\s]+)", text):
        if not re.match("https://|#", link):
            yield f"the description links to {link}, which holds in the repository only"
        ours = pictures if start.startswith("!") else pages
        if link.startswith(f"{base}/") and not link.startswith(ours):
            yield f"the description links to {link}, which is not below {ours}"
        name = link.removeprefix(ours).partition("#")[0]
        if link.startswith(ours) and not (ROOT / name).exists():
            yield f"the description links to {name}, which the repository doesn't have"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    if text.replace(pictures, "").replace(pages, "").strip() != readme.strip():
        yield "the description is not README.md with absolute links"


def record_problems(wheel: zipfile.ZipFile) -> Iterable[str]:
    """RECORD must list every file with its digest: installers and auditors rely on it."""
    info = _info(wheel.namelist())
    record = csv.reader(io.StringIO(wheel.read(f"{info}/RECORD").decode()))
    listed = {name: digest for name, digest, _ in record}
    present = set(files(wheel))
    if listed.keys() != present:
        yield f"RECORD and contents differ: {sorted(listed.keys() ^ present)}"
    for name in listed.keys() & present:
        digest = (
            base64.urlsafe_b64encode(hashlib.sha256(wheel.read(name)).digest())
            .rstrip(b"=")
            .decode()
        )
        if not name.endswith("/RECORD") and listed[name] != f"sha256={digest}":
            yield f"RECORD has another digest for {name}"


def library_problems(wheel: zipfile.ZipFile) -> Iterable[str]:
    """Nothing of the building machine may be in a library: its folders, or a search path to them."""
    for name in wheel.namelist():
        if name.endswith((".so", ".dylib")):
            content = wheel.read(name)
            for leak in (str(ROOT).encode(), b"/pip-", b"cmeel.prefix"):
                if leak in content:
                    yield f"{name} holds a path of the building machine: …{leak.decode()}…"


def tag_problems(path: Path, repaired: bool) -> Iterable[str]:
    if "macosx" in path.name:
        return
    shown = subprocess.run(
        [sys.executable, "-m", "auditwheel", "show", str(path)], capture_output=True, text=True
    )
    if not re.search(r"manylinux_\d+_\d+_\w+", shown.stdout):
        yield f"no manylinux tag:\n{shown.stdout}{shown.stderr}"
    if repaired and "manylinux" not in path.name:
        yield "its name has no manylinux tag, so a package index would refuse it"


def _info(names: Iterable[str]) -> str:
    return next(n.partition("/")[0] for n in names if ".dist-info/" in n)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--list", action="store_true", help="print what is in it")
    parser.add_argument("--repaired", action="store_true", help="it went through auditwheel repair")
    asked = parser.parse_args()
    path, size = asked.wheel, asked.wheel.stat().st_size
    with zipfile.ZipFile(path) as wheel:
        problems = [
            *content_problems(wheel, asked.repaired),
            *licence_problems(wheel),
            *readme_problems(wheel),
            *record_problems(wheel),
            *library_problems(wheel),
            *tag_problems(path, asked.repaired),
        ]
        if asked.list:
            for name in sorted(files(wheel)):
                print(f"{wheel.getinfo(name).file_size:>10,}  {name}")
        count = len(files(wheel))
    if size > MAX_BYTES:
        problems.append(f"{size} bytes, more than {MAX_BYTES}")
    for problem in problems:
        print(f"{path.name}: {problem}", file=sys.stderr)
    if not problems:
        print(f"{path.name}: {size / 1e6:.2f} MB, {count} files, all as they must be")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
