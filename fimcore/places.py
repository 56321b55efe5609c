"""Where the dashboard's entry script and the assets lie: `app/` and `assets/` in a checkout, `fimcore/_app` in a wheel.

Source: the build section of pyproject.toml, which puts both folders into the wheel.
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def app_script() -> Path:
    """Path of the dashboard's entry script.

    Returns:
        `fimcore/_app/main.py` of an installed wheel, else `app/main.py` beside the package in a checkout.

    Raises:
        FileNotFoundError: neither exists; the message names both.
    """
    return _first_existing(PACKAGE / "_app" / "main.py", PACKAGE.parent / "app" / "main.py")


def assets_folder() -> Path:
    """Folder of the presets, lessons, logo and styles.

    Returns:
        `fimcore/_app/assets` of an installed wheel, else `assets` beside the package in a checkout.

    Raises:
        FileNotFoundError: neither exists; the message names both.
    """
    return _first_existing(PACKAGE / "_app" / "assets", PACKAGE.parent / "assets")


def _first_existing(*candidates: Path) -> Path:
    for candidate in candidates:
        if candidate.exists():
            return candidate
    looked = " and ".join(str(candidate) for candidate in candidates)
    raise FileNotFoundError(f"this installation of fimcore is incomplete: looked for {looked}. Reinstall fimcore.")
