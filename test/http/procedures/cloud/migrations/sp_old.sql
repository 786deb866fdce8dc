CREATE OR REPLACE PROCEDURE `{project_id}.organizations.sp_old`() BEGIN SELECT 1; END;
