/* What happens to an append between its asker and librdkafka. */
#include "stream/kafka/append.h"

#include "stream/kafka/cluster.h"
#include "stream/kafka/producers.h"
#include "transport/base/logger.h"

#include <stdlib.h>

enum {
        REPEAT_MS = 100, /* before what is open is produced once more, doubled each time */
        REPEAT_DOUBLINGS = 6,
        FULL_MS = 10, /* librdkafka's queue is full */
        /* A broker forgets a producer that wrote nothing to a partition for long (producer.id.expiration.ms, by default a day). */
        PROVEN_MS = 3600000,
        /* A broker that has only just started may not know a topic yet: what may be stored in it is given up after so long. */
        GONE_MS = 10000,
};

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
        case KAFKA_ABSENT:
                result.err = ERR_NOT_FOUND;
                break;
        case KAFKA_DENIED:
                result.err = ERR_NOT_ALLOWED;
                break;
        default:
                result.err = ERR_FAILED;
                break;
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
        if (append->state == APPEND_STORED)
                reader_acked(append->stream, append->index, append->record);
        else
                tail_record_free(append->record);
        append->record = NULL;
        if (producers_is_cancelled(log->producers, append->token)) return;
        if (later)
                kafka_done_later(log, &result);
        else
                kafka_done(log, &result);
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
}

static struct append *waiting_from(struct append *append)
{
        while (append && append->state != APPEND_WAITING)
                append = STAILQ_NEXT(append, entry);
        return append;
}

/* What is stored before the first open one stays so and has been told, or is in a moment; from that one on all is produced again, or the
 * order would not hold. */
static void wait_again(struct log_stream *stream)
{
        struct append *append = STAILQ_FIRST(&stream->append.list);

        while (append && (append->state == APPEND_STORED || append->state == APPEND_FAILED))
                append = STAILQ_NEXT(append, entry);
        for (; append; append = STAILQ_NEXT(append, entry)) {
                if (append->state == APPEND_FAILED) continue;
                if (append->state == APPEND_FLYING || append->state == APPEND_STORED) append->maybe = true;
                append->state = APPEND_WAITING;
        }
        stream->append.next = waiting_from(STAILQ_FIRST(&stream->append.list));
        stream->append.broken = false;
}

static void decide(struct append *append, rd_kafka_resp_err_t err)
{
        struct kafka_topic *topic = append->stream->topic;

        append->state = APPEND_FAILED;
        append->err = err;
        if (!topic->refusing) log_warning("kafka", "stream %s: pushes are refused: %s", topic->name, rd_kafka_err2str(err));
        topic->refusing = true;
}

/* The error means that the topic is not what it was, if it is there at all. */
static bool is_gone(rd_kafka_resp_err_t err) { return kafka_verdict(err) == KAFKA_ABSENT; }

static void note_gone(struct log_stream *stream)
{
        struct append_stream *append = &stream->append;
        uint64_t now = context_now_ms(stream->log->ctx);

        append->proven = false;
        if (!append->gone_ms || now - append->gone_last_ms >= GONE_MS) append->gone_ms = now; /* what it said before that is another matter */
        append->gone_last_ms = now;
}

/* What may be stored is told as failed only when the topic is gone, and its records with it. */
static bool is_lost(const struct append *append, rd_kafka_resp_err_t err)
{
        const struct log_stream *stream = append->stream;

        return is_gone(err) && stream->append.gone_ms && context_now_ms(stream->log->ctx) - stream->append.gone_ms >= GONE_MS;
}

/* False: no more for now. */
static bool hand_over(struct log_stream *stream, struct producer *producer)
{
        struct append_stream *append = &stream->append;
        struct append *first = append->next;
        struct tail_record *record = first->record;
        rd_kafka_resp_err_t err;

        if (rd_kafka_produce(stream->topic->rkt, (int32_t)stream->partition, 0, record->n ? record->data : NULL, record->n, NULL, 0,
                             first) == 0) {
                first->state = APPEND_FLYING;
                append->flying++;
                producer->flying++;
                append->next = waiting_from(first);
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
        if (is_gone(err)) note_gone(stream);
        if (first->maybe && !is_lost(first, err)) {
                producer_stall(producer, stream, REPEAT_MS << REPEAT_DOUBLINGS);
                return false;
        }
        decide(first, err);
        append->next = waiting_from(first);
        return true;
}

/* Whether one more may be under way. The first record goes alone: where a topic was just made, its leader may refuse the first request and
 * store the one behind it, since it knows no sequence of this producer yet; librdkafka 2.0.2 then takes the first for stored (success,
 * without an offset). And all go alone where Kafka has refused one: what it refuses is then known, and has nothing behind it. */
static bool may_fly(struct log_stream *stream)
{
        struct append_stream *append = &stream->append;

        if (append->flying == 0 && append->proven && context_now_ms(stream->log->ctx) - append->proven_ms > PROVEN_MS)
                append->proven = false;
        return append->flying == 0 || (append->proven && !stream->topic->careful);
}

static void push(struct log_stream *stream)
{
        struct producer *producer = stream->topic->producer;
        struct append_stream *append = &stream->append;

        while (append->next && !append->broken && !append->stalled && producer->state == PRODUCER_LIVE && may_fly(stream))
                if (!hand_over(stream, producer)) return;
}

void append_push(struct log_stream *stream)
{
        stream->refs++;
        push(stream);
        settle(stream, false);
        stream->refs--;
        topics_release(stream);
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
        struct append *append;

        if (producers_take_no_more(stream->log->producers)) {
                context_count(stream->log->ctx, STAT_LIMIT_APPENDS);
                kafka_answer_later(stream->log, LOG_APPEND, token, ERR_FULL, "too much waits to be stored");
                return;
        }
        append = calloc(1, sizeof *append);
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
        push(stream);
        settle(stream, true);
}

static bool is_definite(const struct append *append, rd_kafka_msg_status_t status, rd_kafka_resp_err_t err)
{
        if (status != RD_KAFKA_MSG_STATUS_NOT_PERSISTED || kafka_verdict(err) == KAFKA_LATER) return false;
        return !append->maybe || is_lost(append, err);
}

/* The report of a producer that has died. What killed it may have been a refusal: in a batch, so it says nothing about one record. */
static void look_for_refusal(struct log_stream *stream, rd_kafka_msg_status_t status, rd_kafka_resp_err_t err)
{
        enum kafka_verdict verdict = kafka_verdict(err);

        if (status != RD_KAFKA_MSG_STATUS_NOT_PERSISTED || (verdict != KAFKA_REFUSED && verdict != KAFKA_DENIED) || stream->topic->careful)
                return;
        log_warning("kafka", "stream %s: Kafka refused a record: %s; from now on one at a time", stream->topic->name,
                    rd_kafka_err2str(err));
        stream->topic->careful = true;
}

static void take_report(struct append *append, rd_kafka_msg_status_t status, rd_kafka_resp_err_t err, int64_t offset, bool gone)
{
        struct append_stream *s = &append->stream->append;

        if (is_gone(err)) note_gone(append->stream);
        else s->gone_ms = 0;
        if (!err && offset >= 0) {
                append->state = APPEND_STORED;
                append->index = (uint64_t)offset;
                if (s->broken) return;
                append->stream->topic->refusing = false;
                s->proven = true;
                s->proven_ms = context_now_ms(append->stream->log->ctx);
                s->repeats = 0;
                return;
        }
        if (!s->broken && !gone && err && is_definite(append, status, err)) {
                decide(append, err);
                return;
        }
        if (gone && err) look_for_refusal(append->stream, status, err);
        if (status != RD_KAFKA_MSG_STATUS_NOT_PERSISTED) append->maybe = true;
        append->state = APPEND_WAITING;
        s->broken = true;
}

void append_report(struct append *append, rd_kafka_msg_status_t status, rd_kafka_resp_err_t err, int64_t offset, bool gone)
{
        struct log_stream *stream = append->stream;
        struct append_stream *s = &stream->append;

        s->flying--;
        take_report(append, status, err, offset, gone);
        stream->refs++;
        settle(stream, false);
        if (s->broken && s->flying == 0) {
                wait_again(stream);
                if (s->repeats++ && !s->stalled && !gone) {
                        unsigned doublings = s->repeats < REPEAT_DOUBLINGS ? s->repeats : REPEAT_DOUBLINGS;
                        producer_stall(stream->topic->producer, stream, (uint32_t)REPEAT_MS << doublings);
                }
        }
        push(stream);
        settle(stream, false);
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
