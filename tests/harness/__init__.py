"""What the tests of the programs are made of: processes that are waited for by what they say, a real Kafka, and looks into it
that don't pass through our own code."""
