"""Look into a wheel as its users' machines will: size, contents, licences, and the manylinux tag.

python tools/check_wheel.py dist/fastfa-*.whl
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import zipfile
from pathlib import Path

MAX_BYTES = 10_000_000
KERNELS = ("v2", "v3", "v4") if platform.machine() == "x86_64" else ("portable",)
WANTED = [
    r"fastfa/_core\..*so",
    r"fastfa/_core\.pyi",
    r"fastfa/py\.typed",
    r"fastfa/lib/libfastfa\.so",
    *(rf"fastfa/lib/fastfa_kernels_{level}\.so" for level in KERNELS),
    r"fastfa/lib/cmake/fastfa/fastfa-config\.cmake",
    r"fastfa/lib/cmake/fastfa/fastfa-config-version\.cmake",
    r"fastfa/include/fastfa/(distort|ensemble|export|names|network|philox|runtime|types)\.h",
    r"fastfa/include/fastfa/fastfa\.h",
    r"fastfa/data/mnist_mini/train-images-idx3-ubyte\.gz",
    r"fastfa/data/mnist_mini/ATTRIBUTION\.txt",
    r"fastfa-.*\.dist-info/licenses/LICENSE",
    r"fastfa-.*\.dist-info/licenses/licenses/EIGEN\.txt",
]
ALLOWED = re.compile(
    r".*\.(py|pyi|typed|so|gz|txt)|fastfa/include/fastfa/\w+\.h|fastfa/lib/cmake/fastfa/[\w-]+\.cmake"
    r"|fastfa-[^/]*\.dist-info/.*"
)


def main() -> int:
    path = Path(sys.argv[1])
    size = path.stat().st_size
    names = zipfile.ZipFile(path).namelist()
    problems = [f"no {want}" for want in WANTED if not any(re.fullmatch(want, n) for n in names)]
    problems += [f"stray {name}" for name in names if not ALLOWED.fullmatch(name)]
    if size > MAX_BYTES:
        problems.append(f"{size} bytes, more than {MAX_BYTES}")
    shown = subprocess.run(
        [sys.executable, "-m", "auditwheel", "show", str(path)], capture_output=True, text=True
    )
    tag = re.search(r"manylinux_\d+_\d+_\w+", shown.stdout)
    if not tag:
        problems.append(f"no manylinux tag:\n{shown.stdout}{shown.stderr}")
    for problem in problems:
        print(f"{path.name}: {problem}", file=sys.stderr)
    if not problems:
        print(f"{path.name}: {size / 1e6:.2f} MB, {len(names)} files, {tag.group()}")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
