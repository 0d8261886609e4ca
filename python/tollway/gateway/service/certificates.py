"""Certificates with the names they are for, and the authorities that services believe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from tollway.gateway import pem
from tollway.gateway.errors import ForeignKeyViolation, ReferencedByOthers, SchemaViolation
from tollway.gateway.models import CaCertificate, Certificate, Sni
from tollway.gateway.ports import EntityRepository, GatewayRepositories
from tollway.gateway.schema.certificates import CA_CERTIFICATES, CERTIFICATES, SNIS
from tollway.gateway.schema.entity import EntitySchema
from tollway.gateway.schema.fields import uuid_of
from tollway.gateway.schema.violation import Violation
from tollway.gateway.secrets import KeyVault
from tollway.gateway.service.base import EntityService
from tollway.kernel.clock import Clock
from tollway.kernel.ids import new_id

__all__ = ["CaCertificates", "Certificates", "Snis", "decrypted_keys"]


@dataclass(frozen=True)
class _WithKeys(EntitySchema):
    """Keys are kept encrypted; a document has them in plain text, which a diff compares."""

    keys: Callable[[Certificate], tuple[str, str | None]] = field(kw_only=True)

    def document(self, entity: Any) -> dict[str, Any]:
        key, key_alt = self.keys(entity)
        return {
            "id": str(entity.id),
            "created_at": int(entity.created_at.timestamp()),
            "updated_at": int(entity.updated_at.timestamp()),
            "cert": entity.cert,
            "key": key,
            "cert_alt": entity.cert_alt,
            "key_alt": key_alt,
            "snis": list(entity.snis),
            "tags": None if entity.tags is None else list(entity.tags),
        }


class Certificates(EntityService[Certificate]):
    """What the gateway shows as its own, to clients that ask for a name or to upstreams."""

    schema = CERTIFICATES
    singular = "certificate"

    def __init__(self, repositories: GatewayRepositories, clock: Clock, vault: KeyVault) -> None:
        super().__init__(repositories, clock)
        self._vault = vault
        self._with_keys = _WithKeys(
            CERTIFICATES.name, CERTIFICATES.record, CERTIFICATES.key, CERTIFICATES.checks, keys=self._keys
        )

    @property
    def repository(self) -> EntityRepository[Certificate]:
        """Where certificates are kept."""
        return self.repositories.certificates

    def schema_for(self, document: Mapping[str, Any], existing: Certificate | None) -> EntitySchema:  # noqa: ARG002
        """A change that doesn't speak of keys keeps them."""
        return self._with_keys

    def document(self, certificate: Certificate) -> dict[str, Any]:
        """Return the certificate with its keys, for whoever may read them."""
        return self._with_keys.document(certificate)

    def find_by_key(self, value: str, within: Mapping[str, Any]) -> Certificate | None:  # noqa: ARG002
        """A certificate goes by the names that it is for."""
        sni = self.repositories.snis.find(name=value)
        return None if sni is None else self.repository.get(sni.certificate_id)

    def replace(
        self, reference: str, document: Mapping[str, Any], within: Mapping[str, Any] | None = None
    ) -> Certificate:
        """Store the certificate whether it exists or not; by a name, it is for that name."""
        try:
            uuid_of(reference)
        except Violation:
            existing = self.find(reference, within)
            named = dict(document)
            if existing is None:
                named["snis"] = [reference, *(document.get("snis") or ())]
            identity = str(new_id() if existing is None else existing.id)
            return super().replace(identity, named, within)
        return super().replace(reference, document, within)

    def build(self, attributes: dict[str, Any], existing: Certificate | None) -> Certificate:
        """Make the model; names that aren't spoken of stay."""
        key, key_alt = attributes.pop("key"), attributes.pop("key_alt")
        if attributes["snis"] is None:
            attributes["snis"] = () if existing is None else existing.snis
        contexts = _contexts(attributes["id"])
        before = (None, None) if existing is None else self._keys(existing)
        kept = (None, None) if existing is None else (existing.key_encrypted, existing.key_alt_encrypted)
        encrypted = [
            old if old is not None and text == was else text and self._vault.encrypt(text, context)
            for text, was, old, context in zip((key, key_alt), before, kept, contexts, strict=True)
        ]
        return Certificate(**attributes, key_encrypted=encrypted[0], key_alt_encrypted=encrypted[1])

    def _keys(self, certificate: Certificate) -> tuple[str, str | None]:
        return decrypted_keys(self._vault, certificate)

    def _store(self, before: Certificate | None, after: Certificate) -> Certificate:
        for name in after.snis:
            other = self.repositories.snis.find(name=name)
            if other is not None and other.certificate_id != after.id:
                taken = f"{name} already associated with existing certificate '{other.certificate_id}'"
                raise SchemaViolation({"snis": taken})
        stored = super()._store(before, after)
        present = {sni.name: sni for sni in self.repositories.snis.all(certificate_id=after.id)}
        for name, sni in present.items():
            if name not in after.snis:
                self.repositories.snis.delete(sni)
        now = self.now()
        for name in after.snis:
            if name not in present:
                self.repositories.snis.insert(
                    Sni(
                        id=new_id(),
                        name=name,
                        certificate_id=after.id,
                        tags=None,
                        created_at=now,
                        updated_at=now,
                    )
                )
        return replace(stored, snis=tuple(sorted(after.snis)))

    def delete_children(self, entity: Certificate) -> None:
        """Names go with their certificate; whoever shows it to an upstream has to let go of it first."""
        for kind, repository in (
            ("services", self.repositories.services),
            ("upstreams", self.repositories.upstreams),
        ):
            if repository.all(client_certificate_id=entity.id):
                raise ForeignKeyViolation.referenced("certificates", kind)
        for sni in self.repositories.snis.all(certificate_id=entity.id):
            self.repositories.snis.delete(sni)

    def ending(self, before: datetime) -> list[tuple[Certificate, datetime]]:
        """Return the certificates that are not valid beyond an instant, the first to end first."""
        ends = [(one, _first_end(one)) for one in self.repository.all()]
        return sorted(((one, end) for one, end in ends if end <= before), key=lambda pair: pair[1])


class Snis(EntityService[Sni]):
    """Names under which clients ask for certificates."""

    schema = SNIS
    singular = "sni"

    @property
    def repository(self) -> EntityRepository[Sni]:
        """Where names are kept."""
        return self.repositories.snis

    def build(self, attributes: dict[str, Any], existing: Sni | None) -> Sni:  # noqa: ARG002
        """Make the model."""
        return Sni(**attributes)


class CaCertificates(EntityService[CaCertificate]):
    """Authorities."""

    schema = CA_CERTIFICATES
    singular = "ca certificate"

    @property
    def repository(self) -> EntityRepository[CaCertificate]:
        """Where authorities are kept."""
        return self.repositories.ca_certificates

    def build(self, attributes: dict[str, Any], existing: CaCertificate | None) -> CaCertificate:
        """Make the model; one that has ended already would make every handshake fail."""
        if pem.not_after(attributes["cert"]) <= self.now() and (
            existing is None or existing.cert != attributes["cert"]
        ):
            raise SchemaViolation({"cert": 'certificate expired, "Not After" time is in the past'})
        return CaCertificate(**attributes | {"cert_digest": pem.digest(attributes["cert"])})

    def delete_children(self, entity: CaCertificate) -> None:
        """Services that believe it have to stop first."""
        for service in self.repositories.services.all():
            if str(entity.id) in (service.ca_certificates or ()):
                raise ReferencedByOthers(f"ca certificate {entity.id}", "services", service.id)


def decrypted_keys(vault: KeyVault, certificate: Certificate) -> tuple[str, str | None]:
    """Return a certificate's private keys in plain text.

    Raises:
        Conflict: the installation's secret is not the one under which they were encrypted.
    """
    first, second = _contexts(certificate.id)
    alt = certificate.key_alt_encrypted
    key = vault.decrypt(certificate.key_encrypted, first)
    return key, None if alt is None else vault.decrypt(alt, second)


def _first_end(certificate: Certificate) -> datetime:
    chains = [certificate.cert, *([certificate.cert_alt] if certificate.cert_alt else [])]
    return min(pem.not_after(chain) for chain in chains)


def _contexts(certificate: UUID) -> tuple[str, str]:
    """What the two keys are encrypted with: each belongs to its place alone."""
    return f"certificate {certificate}", f"certificate {certificate} alt"
