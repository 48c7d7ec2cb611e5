extension Schema {
    /// What `DeliveryExchange` holds, the look-up of the name, and the call that carried a batch.
    static let exchange = """
        ALTER TABLE delivery_attempts ADD COLUMN resolved INTEGER;
        ALTER TABLE delivery_attempts ADD COLUMN sent_octets INTEGER;
        ALTER TABLE delivery_attempts ADD COLUMN received_octets INTEGER;
        ALTER TABLE delivery_attempts ADD COLUMN http_version INTEGER;
        ALTER TABLE delivery_attempts ADD COLUMN tls_version INTEGER;
        ALTER TABLE delivery_attempts ADD COLUMN verify_result INTEGER;
        ALTER TABLE delivery_attempts ADD COLUMN batch TEXT;
        """
}
