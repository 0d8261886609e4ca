"""Mails as files, for development: where no mail server is set, they are written beside the data."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tollway.providers.notify.base import Mail, MailUndelivered, as_message, require_sender

__all__ = ["FolderNotifier"]


class FolderNotifier:
    """Writes each mail as `IDENTITY.eml`; identities are ordered by time. The folder is its user's alone."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = require_sender(sender)

    def send(self, mail: Mail) -> None:
        """See `Notifier.send`. The file appears whole."""
        content = as_message(mail, self._sender, readable=True).as_bytes()
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            handle, path = tempfile.mkstemp(dir=self._folder, suffix=".part")
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(path).rename(self._folder / f"{mail.identity}.eml")
        except OSError as error:
            raise MailUndelivered(f"{self._folder}: {error.strerror}") from error
