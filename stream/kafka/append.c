/* What happens to an append between its asker and librdkafka. */
#include "stream/kafka/append.h"

#include "stream/kafka/cluster.h"
#include "stream/kafka/producers.h"
#include "transport/base/logger.h"

#include <stdlib.h>

enum { REPEAT_MS = 100, REPEAT_DOUBLINGS = 6, FULL_MS = 10 };

void append_stream_init(struct append_stream *append)
{
        *append = (struct append_stream){0};
        STAILQ_INIT(&append->list);
}

void append_free(struct append *append)
{
        tail_record_free(append->record);
        free(append);
}

static struct log_result result_of(const struct append *append)
{
        struct log_result result = {.op = LOG_APPEND, .token = append->token, .why = NULL};

        if (append->state == APPEND_STORED) {
                result.index = append->index;
                return result;
        }
        switch (kafka_verdict(append->err)) {
        case KAFKA_ABSENT: result.err = ERR_NOT_FOUND; break;
        case KAFKA_DENIED: result.err = ERR_NOT_ALLOWED; break;
        default: result.err = ERR_FAILED; break;
        }
        if (append->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || append->err == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE)
                result.err = ERR_TOO_LARGE;
        result.why = rd_kafka_err2str(append->err);
        return result;
}

/* Tells the asker, unless it is gone. `later`: the asker is still in its call. */
static void tell(struct append *append, bool later)
{
        struct kafka_log *log = append->stream->log;
        struct log_result result = result_of(append);

        producers_release(log->producers, append->record ? append->record->n : 0);
        if (append->state == APPEND_STORED) reader_acked(append->stream, append->index, append->record);
        else tail_record_free(append->record);
        append->record = NULL;
        if (producers_is_cancelled(log->producers, append->token)) return;
        if (later) kafka_done_later(log, &result);
        else kafka_done(log, &result);
}

/* Tells what is decided, in order. The stream must be held by the caller. */
static void settle(struct log_stream *stream, bool later)
{
        struct append *append;

        while ((append = STAILQ_FIRST(&stream->append.list)) && (append->state == APPEND_STORED || append->state == APPEND_FAILED)) {
                STAILQ_REMOVE_HEAD(&stream->append.list, entry);
                tell(append, later);
                append_free(append);
        }
        if (STAILQ_EMPTY(&stream->append.list)) stream->append.one_by_one = false;
}

static void wait_again(struct log_stream *stream)
{
        struct append *append;

        STAILQ_FOREACH(append, &stream->append.list, entry) {
                /* cppcheck-suppress uninitvar; it does not see through the list's macro */
                if (append->state == APPEND_FLYING || append->state == APPEND_STORED) append->maybe = true;
                append->state = APPEND_WAITING;
        }
        stream->append.next = STAILQ_FIRST(&stream->append.list);
        stream->append.broken = false;
}

static void decide(struct append *append, rd_kafka_resp_err_t err)
{
        append->state = APPEND_FAILED;
        append->err = err;
        log_debug("kafka", "stream %s: append refused: %s", append->stream->topic->name, rd_kafka_err2str(err));
}

/* False: no more for now. */
static bool hand_over(struct log_stream *stream, struct producer *producer)
{
        struct append_stream *append = &stream->append;
        struct append *first = append->next;
        struct tail_record *record = first->record;
        rd_kafka_resp_err_t err;

        first->alone = append->flying == 0;
        if (rd_kafka_produce(stream->topic->rkt, (int32_t)stream->partition, 0, record->n ? record->data : NULL, record->n, NULL, 0,
                             first) == 0) {
                first->state = APPEND_FLYING;
                append->flying++;
                producer->flying++;
                append->next = STAILQ_NEXT(first, entry);
                return true;
        }
        err = rd_kafka_last_error();
        if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
                producer_stall(producer, stream, FULL_MS);
                return false;
        }
        if (err == RD_KAFKA_RESP_ERR__FATAL || rd_kafka_fatal_error(producer->handle.rk, NULL, 0)) {
                producer_retire(producer);
                return false;
        }
        if (first->maybe && kafka_verdict(err) != KAFKA_ABSENT) {
                producer_stall(producer, stream, REPEAT_MS << REPEAT_DOUBLINGS);
                return false;
        }
        decide(first, err);
        append->next = STAILQ_NEXT(first, entry);
        return true;
}

/* The first record goes alone: where a topic was just made, its leader may refuse the first request and store the one behind it, since it knows no
 * sequence of this producer yet; librdkafka 2.0.2 then takes the first for stored (success, without an offset). */
void append_push(struct log_stream *stream)
{
        struct producer *producer = stream->topic->producer;
        struct append_stream *append = &stream->append;

        while (append->next && !append->broken && !append->stalled && producer->state == PRODUCER_LIVE) {
                if ((append->one_by_one || !append->proven) && append->flying) return;
                if (!hand_over(stream, producer)) return;
        }
}

/* What Kafka need not be asked about: no such partition, or no producer can be had. */
static bool refuse_at_once(struct log_stream *stream, struct append *append)
{
        struct kafka_log *log = stream->log;
        struct reason why;

        if (!log->cluster->ops->may_ask(log->cluster, stream->topic->name, stream->partition)) {
                decide(append, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
                return true;
        }
        if (producers_attach(log->producers, stream->topic, &why) == OK) return false;
        log_error("kafka", "no producer: %s", why.text);
        decide(append, RD_KAFKA_RESP_ERR__FAIL);
        return true;
}

void append_add(struct log_stream *stream, struct bytes data, uint64_t token)
{
        struct append *append = calloc(1, sizeof *append);

        if (!append || !(append->record = tail_record_new(data))) {
                free(append);
                kafka_answer_later(stream->log, LOG_APPEND, token, ERR_FAILED, "the node is out of memory");
                return;
        }
        append->stream = stream;
        append->token = token;
        producers_account(stream->log->producers, data.n);
        STAILQ_INSERT_TAIL(&stream->append.list, append, entry);
        if (refuse_at_once(stream, append)) {
                if (!stream->append.next) settle(stream, true);
                return;
        }
        if (!stream->append.next) stream->append.next = append;
        append_push(stream);
        settle(stream, true);
}

static bool is_definite(const struct append *append, rd_kafka_msg_status_t status, rd_kafka_resp_err_t err)
{
        if (status != RD_KAFKA_MSG_STATUS_NOT_PERSISTED || kafka_verdict(err) == KAFKA_LATER) return false;
        if (append->maybe && kafka_verdict(err) != KAFKA_ABSENT) return false;
        /* A batch that is too large says nothing about its records. */
        return append->alone || err != RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
}

void append_report(struct append *append, rd_kafka_msg_status_t status, rd_kafka_resp_err_t err, int64_t offset, bool gone)
{
        struct log_stream *stream = append->stream;
        struct append_stream *s = &stream->append;

        s->flying--;
        if (!s->broken && !err && offset >= 0) {
                append->state = APPEND_STORED;
                append->index = (uint64_t)offset;
                s->proven = true;
                s->repeats = 0;
        } else if (!s->broken && !gone && err && is_definite(append, status, err)) {
                decide(append, err);
        } else {
                if (status != RD_KAFKA_MSG_STATUS_NOT_PERSISTED) append->maybe = true;
                if (err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) s->one_by_one = true;
                append->state = APPEND_WAITING;
                s->broken = true;
        }
        stream->refs++;
        settle(stream, false);
        if (s->broken && s->flying == 0) {
                wait_again(stream);
                if (s->repeats++ && !s->stalled && !gone) {
                        unsigned doublings = s->repeats < REPEAT_DOUBLINGS ? s->repeats : REPEAT_DOUBLINGS;
                        producer_stall(stream->topic->producer, stream, (uint32_t)REPEAT_MS << doublings);
                }
        }
        append_push(stream);
        stream->refs--;
        topics_release(stream);
}

void append_lost(struct log_stream *stream)
{
        stream->append.flying = 0;
        stream->append.proven = false;
        wait_again(stream);
}

void append_give_up(struct log_stream *stream, struct append_list *grave)
{
        struct kafka_log *log = stream->log;
        struct append *append;

        while ((append = STAILQ_FIRST(&stream->append.list))) {
                STAILQ_REMOVE_HEAD(&stream->append.list, entry);
                producers_release(log->producers, append->record->n);
                STAILQ_INSERT_TAIL(grave, append, entry);
                if (!producers_is_cancelled(log->producers, append->token))
                        kafka_answer_later(log, LOG_APPEND, append->token, ERR_CANCELLED, "the node stops");
        }
        stream->append.next = NULL;
        stream->append.flying = 0;
}
