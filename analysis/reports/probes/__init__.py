"""Can sim be told from real, stores from each other, and what of the task do embeddings hold?"""
