//! Where decisions go: Kafka, files, standard output.
