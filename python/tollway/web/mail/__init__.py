"""Mails: one plain template each, from which the text and the HTML are made."""

from tollway.web.mail.compose import Composer, MailText

__all__ = ["Composer", "MailText"]
