/* Metadata of one topic, which also tells the instance that asked who leads it. */
#include "stream/kafka/partition.h"

static rd_kafka_resp_err_t find(const struct rd_kafka_metadata_topic *topic, uint32_t partition)
{
        for (int i = 0; i < topic->partition_cnt; i++)
                if (topic->partitions[i].id == (int32_t)partition)
                        return topic->partitions[i].leader < 0 ? RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE : RD_KAFKA_RESP_ERR_NO_ERROR;
        return RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

rd_kafka_resp_err_t partition_in(const struct rd_kafka_metadata *metadata, uint32_t partition)
{
        if (metadata->topic_cnt != 1) return RD_KAFKA_RESP_ERR__FAIL;
        return metadata->topics[0].err ? metadata->topics[0].err : find(&metadata->topics[0], partition);
}

rd_kafka_resp_err_t partition_look(rd_kafka_t *rk, rd_kafka_topic_t *rkt, uint32_t partition, int ms)
{
        const struct rd_kafka_metadata *metadata;
        rd_kafka_resp_err_t err = rd_kafka_metadata(rk, 0, rkt, &metadata, ms);

        if (err) return err;
        err = partition_in(metadata, partition);
        rd_kafka_metadata_destroy(metadata);
        return err;
}
