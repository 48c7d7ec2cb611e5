extension Schema {
    /// The hash of a long output as text is known since it is taken; of older ones it stays unknown. A change of how print-out becomes
    /// text makes these wrong as it does `text_octets`: they are to be emptied with it.
    static let textHashes = """
        ALTER TABLE spool_files ADD COLUMN text_hash BLOB;
        ALTER TABLE unclaimed ADD COLUMN text_hash BLOB;
        """
}
