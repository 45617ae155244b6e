"""
State that outlives a process, on core commands of Redis 7+ or Valkey 8+.

Keys, all below one prefix; JSON documents are UTF-8 bytes, times are UTC:

| key                            | type   | holds                                              |
|--------------------------------|--------|----------------------------------------------------|
| `assay:blob:SHA256`            | string | any bytes or JSON document, by digest               |
| `assay:rows:DIGEST`            | string | rows of evidence, compressed, once per row digest  |
| `assay:evidence:ID`            | string | `Evidence`                                         |
| `assay:refs:RUN`               | set    | names of the contents that a run needs             |
| `assay:refcounts`              | hash   | name of a content: how many runs need it           |
| `assay:hold`                   | string | a backup is reading; nothing is let go meanwhile   |
| `assay:layout`                 | string | the layout's version                               |
| `assay:incoming:...`           |        | what a restore has staged, under its later names   |
| `assay:restored`               | string | token of the last restore, for an hour             |
| `assay:run:ID`                 | string | `RunRecord`                                        |
| `assay:runs:time`              | zset   | run ids by time of creation, in microseconds       |
| `assay:runs:time:of:TENANT`    | zset   | the same, of one tenant                            |
| `assay:runs:name`              | zset   | run ids in lexical order, for prefixes             |
| `assay:runs:left`              | set    | runs that are left to workers, and could go on     |
| `assay:runs:states`            | hash   | status: how many runs have it                      |
| `assay:forks:{RUN}`            | zset   | runs that began as copies of it, by time of creation |
| `assay:lease:{RUN}`            | string | who drives a run; expires                          |
| `assay:fence:{RUN}`            | string | number of its latest driver, which only grows      |
| `assay:wish:{RUN}`             | string | what its driver is asked: to cancel, or to let go  |
| `assay:asks`                   | hash   | run: what is asked of it and not done yet, as `Ask` |
| `assay:asks:taken:RUN`         | string | the ask that somebody is at; expires               |
| `assay:repeat:SHA256`          | hash   | what an idempotency key stands for; expires        |
| `assay:effects:{RUN}`          | hash   | effect key: `Effect`, what it did outside          |
| `assay:spent:{RUN}`            | hash   | time, tokens and rows that it has used             |
| `assay:{queue}:...`            |        | runs that wait for a worker:                       |
| - `runs:LANE`                  | list   | those of one priority and tenant, in order         |
| - `lanes`, `served`            | zset, hash | lanes in turn, and when each was last served   |
| - `lane`, `later`, `taken`     | hash, zset, zset | each run's lane, put off ones, taken ones |
| - `deaths`, `again`            | hash, set | workers that a run ended; runs to queue again   |
| - `since`                      | zset   | runs in lanes by when they came, in milliseconds   |
| `assay:limit:WHO`              | string | when a caller may ask again, in microseconds       |
| `assay:tally:WHAT`             | hash   | label: how often it has happened                   |
| `assay:workers:seen`           | zset   | workers by when they last said so, in milliseconds |
| `assay:workers:load`           | hash   | worker: `WorkerLoad`                               |
| `assay:checkpoint:{RUN}:...`   |        | LangGraph's state of a run:                        |
| - `index`                      | zset   | its checkpoints and pending writes, by name        |
| - `records`                    | hash   | all of them but the values                         |
| - `values`                     | hash   | channel values, by digest                          |
| `assay:review:item:ID`         | string | `ReviewItem`                                       |
| `assay:review:time`            | zset   | item ids by time of creation, in microseconds      |
| `assay:review:open`            | zset   | the same, of the open ones only                    |
| `...:time:of:TENANT`, `...:open:of:TENANT` | zset | the same, of one tenant                  |
| `assay:review:run:RUN`         | set    | the items of a run                                 |
| `assay:review:answered`        | set    | decided items whose runs nobody has queued yet     |
| `assay:review:revision`        | string | grows with each change of an item; `...:of:TENANT` with each of one tenant's |
| `assay:review:absences`        | hash   | tenant and person: `Absence`                       |
| `assay:review:due`             | zset   | open items by when their deadline is spoken of next |
| `assay:review:revision`        | string | grows with each change of any item                 |
| `assay:review:absences`        | hash   | tenant and person: `Absence`; `revision` of them all |
| `assay:webhook:...`            |        | calls from outside and to it:                      |
| - `sources`, `endpoints`       | hash   | `StoredSource` and `Endpoint` by name or id        |
| - `seen:SOURCE:DIGEST`         | string | digest of the body of a webhook id; expires        |
| - `refused:KIND`               | list   | the newest refused calls                           |
| - `outbox`                     | list   | events that are not handed to the endpoints yet    |
| - `put:EVENT`                  | string | an event that was put; expires                     |
| - `delivery:ID`                | string | `Delivery`; expires once it is done                |
| - `due`                        | zset   | deliveries to be sent, by time in milliseconds     |
| - `done`, `dead`               | zset   | delivered and given up ones, by time               |
| - `due:of:TENANT` and so on    | zset   | the same three, of one tenant                      |
| - `run:RUN`                    | set    | the deliveries that tell of a run                  |
| `assay:schedules:of:TENANT`    | hash   | name of a schedule: `Schedule`                     |
| `assay:schedules:due`          | zset   | NAME:TENANT by when it is looked at next, in seconds |
| `assay:audit:...`              |        | the audit log; its keys are in `services.audit`    |

A content's name is its key without `assay:`, or `object:DIGEST` when it is a file.

Some values are written by `services.checkpointer`, `services.review`, `services.schedules`,
`services.webhooks` and `services.audit`, which stand on this package.
"""

from redis.asyncio import Redis

from ._asks import Ask, AskKind, Asks
from ._backup import Backup, Restore, Summary
from ._blobs import BlobStore, EvidenceStore
from ._connection import connect, redis_errors
from ._effects import Effect, EffectLedger, EffectState, effect_key
from ._embedded import DEFAULT_IDLE, EmbeddedServer, ServerStatus
from ._journal import Accepted, Journal
from ._layout import LAYOUT, check_home, open_home, open_layout
from ._leases import TTL as LEASE_TTL
from ._leases import Lease, Wish, fence_key
from ._limits import Rate, RateLimits
from ._listing import RunFilter, RunPage, RunPlace
from ._objects import ObjectStore
from ._outbox import ENDPOINTS, EVENT_TYPES, OUTBOX, Event, EventType, Outbox
from ._queue import Priority, QueueLoad, QueuePlace, QueueState, RunQueue, Taken, queue_full
from ._record import Failure, RunRecord, RunStatus, asks_the_same
from ._references import Freed, References
from ._removal import remove_run
from ._repeats import Repeat, Repeats
from ._runs import RunRegistry
from ._scripts import Call, run_all
from ._spending import Budget, Spending, Spent
from ._tally import Tally
from ._tenants import MARK_PATTERN, TENANT_INDEX, name_in, of_tenant, own_id
from ._values import UtcTime, as_bytes
from ._workers import WorkerBoard, WorkerLoad

__all__ = [
    "DEFAULT_IDLE",
    "ENDPOINTS",
    "EVENT_TYPES",
    "LAYOUT",
    "LEASE_TTL",
    "MARK_PATTERN",
    "OUTBOX",
    "TENANT_INDEX",
    "Accepted",
    "Ask",
    "AskKind",
    "Asks",
    "Backup",
    "BlobStore",
    "Budget",
    "Call",
    "Effect",
    "EffectLedger",
    "EffectState",
    "EmbeddedServer",
    "Event",
    "EventType",
    "EvidenceStore",
    "Failure",
    "Freed",
    "Journal",
    "Lease",
    "ObjectStore",
    "Outbox",
    "Priority",
    "QueueLoad",
    "QueuePlace",
    "QueueState",
    "Rate",
    "RateLimits",
    "Redis",
    "References",
    "Repeat",
    "Repeats",
    "Restore",
    "RunFilter",
    "RunPage",
    "RunPlace",
    "RunQueue",
    "RunRecord",
    "RunRegistry",
    "RunStatus",
    "ServerStatus",
    "Spending",
    "Spent",
    "Summary",
    "Taken",
    "Tally",
    "UtcTime",
    "Wish",
    "WorkerBoard",
    "WorkerLoad",
    "as_bytes",
    "asks_the_same",
    "check_home",
    "connect",
    "effect_key",
    "fence_key",
    "name_in",
    "of_tenant",
    "open_home",
    "open_layout",
    "own_id",
    "queue_full",
    "redis_errors",
    "remove_run",
    "run_all",
]
