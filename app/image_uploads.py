"""Uploaded images with their labels (IDX, the format of MNIST): kept under the hash of their content, like tables."""

from __future__ import annotations

import os
import threading

import problems
import streamlit as st
import uploads

from fimcore.experiments.labelled_images import IDX_MAX_BYTES, images
from fimcore.inputs import InputError, content_hash

IMAGES, LABELS, _FAULT = "upload-images", "upload-labels", "_image_fault"
_SET = "_images"
MAX_SETS = 3
_lock = threading.Lock()


def keep(pixels: bytes, labels: bytes) -> str:
    """Store both files side by side, as `labelled_images` finds them, and return their token.

    Raises:
        InputError: they are not images with their labels; nothing is kept.
    """
    for content in (pixels, labels):
        if len(content) > IDX_MAX_BYTES:
            raise InputError(
                f"This file has {len(content) / 1e6:.1f} MB; IDX files up to {IDX_MAX_BYTES / 1e6:g} MB work."
            )
    token = content_hash(pixels + labels)
    files = [
        (uploads.folder() / f"{token}-{kind}-ubyte{'.gz' if content.startswith(bytes((0x1F, 0x8B))) else ''}", content)
        for kind, content in (("images-idx3", pixels), ("labels-idx1", labels))
    ]
    with _lock:
        for file, content in files:
            file.write_bytes(content)
        try:
            images(str(files[0][0]))
        except InputError as error:
            for file, _ in files:
                file.unlink()
            said = str(error).replace(files[0][0].name, "The file of images")
            raise InputError(said.replace(files[1][0].name, "The file of labels")) from error
        kept = sorted(uploads.folder().glob("*-images-idx3-ubyte*"), key=lambda file: file.stat().st_mtime_ns)
        for old in kept[:-MAX_SETS]:
            for part in uploads.folder().glob(f"{old.name.split('-')[0]}-*-ubyte*"):
                part.unlink()
    return token


def path() -> str:
    """The file of images that this visitor uploaded.

    Raises:
        InputError: none, or this server no longer has it.
    """
    token = str(st.session_state.get(_SET, ""))
    found = list(uploads.folder().glob(f"{token}-images-idx3-ubyte*")) if uploads.is_token(token) else []
    if not found:
        raise InputError(
            "Choose two IDX files in the sidebar under Input, as MNIST has them: images, and their labels from 0 to 9."
        )
    os.utime(found[0])
    return str(found[0])


def uploader() -> None:
    """Two fields: what is in them is taken over once both are there and fit together."""
    most = st.get_option("server.maxUploadSize")
    st.file_uploader("Images: IDX, also .gz", key=IMAGES, max_upload_size=most, on_change=_take)
    st.file_uploader("Their labels: IDX, also .gz", key=LABELS, max_upload_size=most, on_change=_take)
    fault = st.session_state.get(_FAULT, "")
    if fault:
        st.warning(problems.plain(fault), icon=":material/warning:")
    elif st.session_state.get(_SET):
        st.caption("Uploaded. They stay on this server until it stops.")


def _take() -> None:
    pixels, labels = st.session_state.get(IMAGES), st.session_state.get(LABELS)
    st.session_state[_FAULT] = ""
    if pixels is None or labels is None:
        return
    try:
        st.session_state[_SET] = keep(pixels.getvalue(), labels.getvalue())
    except InputError as error:
        st.session_state[_FAULT] = str(error)
