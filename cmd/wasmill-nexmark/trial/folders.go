package trial

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"
)

// checkFolders says whether each row of q10 lies in the folder of its minute.
func checkFolders(path string) error {
	return eachFile(path, func(file string) error {
		rows, err := ReadRows(file)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(path, filepath.Dir(file))
		if err != nil {
			return fmt.Errorf("check folders: %w", err)
		}
		for row := range rows {
			fields, err := parse([]byte(row))
			if err != nil {
				return err
			}
			number, _ := fields["dateTime"].(json.Number)
			ms, err := number.Int64()
			if err != nil {
				return fmt.Errorf("read dateTime of %s: %w", row, err)
			}
			if want := time.UnixMilli(ms).UTC().Format("dt=2006-01-02/hm=15:04"); filepath.ToSlash(folder) != want {
				return fmt.Errorf("check folders: %s is in %s, not %s", row, folder, want)
			}
		}
		return nil
	})
}
