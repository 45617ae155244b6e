"""
What the audit log records: the name of each event, and what its entry says.

| event                | fields                                                                     |
|----------------------|----------------------------------------------------------------------------|
| `run.accepted`       | template, trigger, request (digest of its content), by*                    |
| `run.taken`          | fence, from (the fence before; 0 for the first driver)                     |
| `run.taken_over`     | nothing: its worker died, and another goes on                              |
| `run.cancel_asked`   | by*, reason*                                                               |
| `run.cancelled`      | nothing more                                                               |
| `run.rollback_asked` | to, by*, reason*                                                           |
| `run.rolled_back`    | to, left and entered (checkpoints), superseded                             |
| `run.resume_asked`   | by*                                                                        |
| `run.ask_failed`     | asked, to, code: what was asked of the run can't be done                   |
| `run.forked`         | from, at, changes (names), by*                                             |
| `step.started`       | step, section, attempt                                                     |
| `step.finished`      | step, section, attempt, seconds                                            |
| `attempt.failed`     | step, section, attempt, code, seconds                                      |
| `step.failed`        | step, section, code: its attempts are spent                                |
| `statement.checked`  | section, sql (digest), tables, verdict, rules                              |
| `query.run`          | section, evidence, rows, complete                                          |
| `model.called`       | section, role, model, schema, prompt, answer (digests), input_tokens,      |
|                      | output_tokens, outcome, seconds                                            |
| `finding.edited`     | section, finding, report (digest before), by*, before*, after*             |
| `claims.checked`     | section, attempt, claims, problems                                         |
| `claim.refused`      | section, attempt, code, what (digest of the place and the message)         |
| `review.opened`      | item, kind, step, section                                                  |
| `review.voted`       | item, kind, decision, by*, note*: an approval that is not enough yet, or a remark |
| `review.decided`     | item, kind, decision, by*, reason*, note*                                  |
| `review.claimed`     | item, version, by*: somebody has it open                                   |
| `review.released`    | item, version, by*                                                         |
| `review.assigned`    | item, version, by*, reviewer*; an empty reviewer is nobody                 |
| `review.delegated`   | item, version, by*, reviewer*                                              |
| `review.reminder`    | item, kind, due                                                            |
| `review.escalated`   | item, kind, due, role                                                      |
| `review.away_set`    | first, last, by*, person*, reviewer*: who is away, and who stands in       |
| `review.away_ended`  | by*, person*                                                               |
| `effect.prepared`    | effect, step, section, content (digest)                                    |
| `effect.done`        | the same                                                                   |
| `effect.compensated` | the same, by*, reason*                                                     |
| `report.published`   | digest                                                                     |
| `report.withdraw_asked` | digest, by*, reason*                                                    |
| `report.withdrawn`   | digest                                                                     |
| `data.erased`        | run, values (the references that were emptied), in_clear, by*, reason*     |
| `log.removed`        | run, entries, head, by*, reason*                                           |
| `data.retained`      | kind, removed, by*: what a rule of retention took away                     |
| `setting.changed`    | name, by*                                                                  |
| `access.key_added`   | key, roles, tenant, only, expires, by*                                     |
| `access.key_revoked` | key, by*                                                                   |
| `access.user_added`  | person*, roles, tenant, by*                                                |
| `access.user_removed`, `access.password_set` | person*, by*                                       |
| `access.roles_set`   | person*, roles, by*                                                        |
| `access.signed_out`  | kind, person*, by*: an operator has ended all their sessions               |
| `access.signed_in`   | kind, by*                                                                  |
| `webhook.source_added`, `webhook.source_removed` | source, tenant, by*                            |
| `webhook.source_rotated` | source, tenant, overlap_seconds, by*                                   |
| `webhook.endpoint_added` | endpoint, host, types, tenant, by*                                     |
| `webhook.endpoint_removed`, `webhook.endpoint_disabled` | endpoint, tenant, by*                   |
| `webhook.redelivered` | delivery, endpoint, tenant, by*                                           |
| `schedule.added`     | schedule, tenant, cron, zone, asks (digest), by*                           |
| `schedule.paused`, `schedule.resumed`, `schedule.removed` | schedule, tenant, by*                 |

From `data.erased` on they belong to no run and stand in the log `SYSTEM`. Fields marked * are data of a person
(`PERSONAL`): an entry holds a reference to them, never the words. Nothing else may be raw text of
a user or of a model; what such text was is said by its digest and by counts.

An entry is an attempt's or an effect's. A step that runs again has entries of its own for each
attempt; an effect is appended with a key, and the same key never makes a second entry.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from services.evidence import canonical_json

SYSTEM: Final = "@system"
"""The log of what belongs to no run. No run can have this name."""

RUN_ACCEPTED: Final = "run.accepted"
RUN_TAKEN: Final = "run.taken"
RUN_TAKEN_OVER: Final = "run.taken_over"
RUN_CANCEL_ASKED: Final = "run.cancel_asked"
RUN_CANCELLED: Final = "run.cancelled"
RUN_ROLLBACK_ASKED: Final = "run.rollback_asked"
RUN_ROLLED_BACK: Final = "run.rolled_back"
RUN_RESUME_ASKED: Final = "run.resume_asked"
RUN_ASK_FAILED: Final = "run.ask_failed"
RUN_FORKED: Final = "run.forked"
STEP_STARTED: Final = "step.started"
STEP_WAITS: Final = "step.waits"
STEP_FINISHED: Final = "step.finished"
ATTEMPT_FAILED: Final = "attempt.failed"
STEP_FAILED: Final = "step.failed"
STATEMENT_CHECKED: Final = "statement.checked"
QUERY_RUN: Final = "query.run"
MODEL_CALLED: Final = "model.called"
FINDING_EDITED: Final = "finding.edited"
CLAIMS_CHECKED: Final = "claims.checked"
CLAIM_REFUSED: Final = "claim.refused"
REVIEW_OPENED: Final = "review.opened"
REVIEW_VOTED: Final = "review.voted"
REVIEW_DECIDED: Final = "review.decided"
REVIEW_CLAIMED: Final = "review.claimed"
REVIEW_RELEASED: Final = "review.released"
REVIEW_ASSIGNED: Final = "review.assigned"
REVIEW_DELEGATED: Final = "review.delegated"
REVIEW_REMINDER: Final = "review.reminder"
REVIEW_ESCALATED: Final = "review.escalated"
REVIEW_AWAY_SET: Final = "review.away_set"
REVIEW_AWAY_ENDED: Final = "review.away_ended"
EFFECT_PREPARED: Final = "effect.prepared"
EFFECT_DONE: Final = "effect.done"
EFFECT_COMPENSATED: Final = "effect.compensated"
REPORT_PUBLISHED: Final = "report.published"
REPORT_WITHDRAW_ASKED: Final = "report.withdraw_asked"
REPORT_WITHDRAWN: Final = "report.withdrawn"
DATA_ERASED: Final = "data.erased"
LOG_REMOVED: Final = "log.removed"
DATA_RETAINED: Final = "data.retained"
SETTING_CHANGED: Final = "setting.changed"
ACCESS_KEY_ADDED: Final = "access.key_added"
ACCESS_KEY_REVOKED: Final = "access.key_revoked"
ACCESS_USER_ADDED: Final = "access.user_added"
ACCESS_USER_REMOVED: Final = "access.user_removed"
ACCESS_PASSWORD_SET: Final = "access.password_set"  # noqa: S105 (what has happened)
ACCESS_ROLES_SET: Final = "access.roles_set"
ACCESS_SIGNED_OUT: Final = "access.signed_out"
ACCESS_SIGNED_IN: Final = "access.signed_in"
WEBHOOK_SOURCE_ADDED: Final = "webhook.source_added"
WEBHOOK_SOURCE_ROTATED: Final = "webhook.source_rotated"
WEBHOOK_SOURCE_REMOVED: Final = "webhook.source_removed"
WEBHOOK_ENDPOINT_ADDED: Final = "webhook.endpoint_added"
WEBHOOK_ENDPOINT_REMOVED: Final = "webhook.endpoint_removed"
WEBHOOK_ENDPOINT_DISABLED: Final = "webhook.endpoint_disabled"
WEBHOOK_REDELIVERED: Final = "webhook.redelivered"
SCHEDULE_ADDED: Final = "schedule.added"
SCHEDULE_PAUSED: Final = "schedule.paused"
SCHEDULE_RESUMED: Final = "schedule.resumed"
SCHEDULE_REMOVED: Final = "schedule.removed"

PERSONAL: Final = frozenset(
    {"by", "person", "requested_by", "reviewer", "reason", "note", "text", "before", "after"}
)
"""Fields whose values are kept beside the log, so that they can be erased."""


def content_digest(content: Any) -> str:
    """SHA-256 of a text, of bytes, or of the canonical form of a JSON document."""
    if isinstance(content, str):
        content = content.encode()
    elif not isinstance(content, bytes):
        content = canonical_json(content)
    return hashlib.sha256(content).hexdigest()
