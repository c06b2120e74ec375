"""The tables, the same for every database. Times are ISO 8601 in UTC with microseconds: they sort as text.

Records, documents, approvals, acknowledgements and the audit chain only grow. `heads` points at the record that counts
now (ordinal 0) and at the last record of every numbered version, so that reading the present never scans the past.
A model's `revision` is a random name that every write about it renews: equal revisions mean equal content, also after
an older copy of the database was put back, which a counter could not promise.
`documents` holds the configurations and effects of records once each, by digest: they repeat from record to record.

A change here is a new format: `upgrading` then needs a step that brings older states to the same tables.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

meta = sa.Table(
    "meta",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("format", sa.Integer, nullable=False),
    sa.Column("lineage", sa.Text, nullable=False),
    sa.Column("changes", sa.Integer, nullable=False),
    sa.Column("audit_seq", sa.Integer, nullable=False),
    sa.Column("audit_hash", sa.Text, nullable=False),
    # Which rule the digests in here follow, and which version of Tenure last made or upgraded the tables.
    sa.Column("hash_version", sa.Integer, nullable=False, server_default=sa.text("1")),
    sa.Column("tool", sa.Text, nullable=False, server_default=sa.text("''")),
)

models = sa.Table(
    "models",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("lineage", sa.Text, nullable=False),
    sa.Column("serial", sa.Integer, nullable=False),
    sa.Column("revision", sa.Text, nullable=False),
)

documents = sa.Table(
    "documents",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

records = sa.Table(
    "records",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model", sa.Text, sa.ForeignKey("models.model"), nullable=False),
    sa.Column("local", sa.Text, nullable=False),
    sa.Column("ordinal", sa.Integer, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("config", sa.Integer, sa.ForeignKey("documents.id"), nullable=False),
    sa.Column("effects", sa.Integer, sa.ForeignKey("documents.id"), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Index("records_by_time", "model", "local", "ordinal", "at"),
)

heads = sa.Table(
    "heads",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("local", sa.Text, primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("record", sa.Integer, sa.ForeignKey("records.id"), nullable=False),
    sqlite_with_rowid=False,
)

journal = sa.Table(
    "journal",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("apply_id", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("begun_at", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("ended_at", sa.Text),
    sa.Column("outcome", sa.Text),
    sa.Column("detail", sa.Text, nullable=False, default=""),
    sa.Index("journal_by_model", "model", "ended_at"),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("token", sa.Integer, nullable=False),
    sa.Column("holder", sa.Text),
    sa.Column("since", sa.Float, nullable=False),
    sa.Column("expires", sa.Float, nullable=False),
    # Names one taking of the lease: whoever ends somebody else's says which one was looked at.
    sa.Column("id", sa.Text, nullable=False, server_default=sa.text("''")),
)

facts = sa.Table(
    "facts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, sa.ForeignKey("models.model"), nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("settled_at", sa.Text),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Index(
        "facts_open",
        "model",
        "key",
        unique=True,
        sqlite_where=sa.text("settled_at IS NULL"),
        postgresql_where=sa.text("settled_at IS NULL"),
    ),
    sa.Index("facts_by_model", "model"),
)

approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model", sa.Text, sa.ForeignKey("models.model"), nullable=False, index=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

acknowledgements = sa.Table(
    "acknowledgements",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model", sa.Text, sa.ForeignKey("models.model"), nullable=False, index=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

observations = sa.Table(
    "observations",
    metadata,
    sa.Column("model", sa.Text, sa.ForeignKey("models.model"), primary_key=True),
    sa.Column("signal", sa.Text, primary_key=True),
    sa.Column("window_start", sa.Text, primary_key=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

trials = sa.Table(
    "trials",
    metadata,
    sa.Column("search", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

tombstones = sa.Table(
    "tombstones",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    # What happened to one model is asked for often, and the log is that of all.
    sa.Index("audit_by_subject", "subject", "seq"),
)
